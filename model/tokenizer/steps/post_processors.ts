/** Post-processors of a `tokenizer.json`: the special tokens around a text. */
import { isJsonObject } from "../../../base/json.ts";
import { type Fields, isId } from "../fields.ts";

/** Ids around a text, in order; undefined where the text stands. */
export type Template = readonly (number | undefined)[];

/** A text alone. */
export const alone: Template = [undefined];

/** The post-processor that `fields` describe, for one text. */
export function templateOf(fields: Fields): Template {
  const template = build(fields);
  // Offsets and pairs of texts are not asked for.
  fields.finish("trim_offsets", "add_prefix_space", "use_regex", "pair");
  return template;
}

function build(fields: Fields): Template {
  switch (fields.text("type")) {
    case "TemplateProcessing":
      return template(fields);
    case "BertProcessing":
    case "RobertaProcessing":
      return [idOf(fields, "cls"), undefined, idOf(fields, "sep")];
    case "ByteLevel":
      return alone;
    case "Sequence": {
      const adding = fields.objects("processors").map(templateOf).filter(({ length }) => length > 1);
      if (adding.length > 1) fields.refuse("processors", "only one of them may add tokens");
      return adding[0] ?? alone;
    }
  }
  return fields.refuse(
    "type",
    "expected BertProcessing, ByteLevel, RobertaProcessing, Sequence or TemplateProcessing",
  );
}

/** A pair of a token and its id. */
function idOf(fields: Fields, key: string): number {
  const [token, id] = fields.list(key);
  return typeof token === "string" && isId(id) ? id : fields.fail(key, "[token, id]");
}

function template(fields: Fields): Template {
  const defined = fields.object("special_tokens");
  return fields.list("single").flatMap((piece, i): Template => {
    const name = `single[${i}]`;
    if (!isJsonObject(piece)) return fields.fail("single", "a Sequence or a SpecialToken", name, piece);
    const part = fields.part(name, piece);
    const sequence = part.optionalObject("Sequence");
    if (sequence) {
      if (sequence.text("id") !== "A") sequence.refuse("id", "one text is encoded at a time");
      sequence.finish("type_id");
      return alone;
    }
    const token = part.object("SpecialToken"), id = token.text("id");
    token.finish("type_id");
    part.finish();
    if (!Object.hasOwn(defined.json, id)) token.fail("id", "one of special_tokens");
    const special = defined.object(id), ids = special.list("ids").filter(isId);
    if (ids.length !== special.list("ids").length) special.fail("ids", "a list of ids");
    special.finish("id", "tokens");
    return ids;
  });
}
