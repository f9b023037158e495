/** The chat templates of a model: one, or several by name. */
import { isMissing, namesIn, readText } from "../../../base/file.ts";
import { isJsonObject, type JsonObject, own } from "../../../base/json.ts";
import { show } from "../../../base/show.ts";
import { TokenizerError } from "../error.ts";

/** A tokenizer, as far as it has templates. */
export interface ChatTemplates {
  /** The template that is used where none is asked for. */
  readonly chatTemplate?: string;
  /** Templates by name, where there are several: `default`, `tool_use`, `rag`. */
  readonly chatTemplates?: Readonly<Record<string, string>>;
}

/**
 * The templates of `tokenizer_config.json`: a text, or a list of objects with a name and a template.
 *
 * @throws {TokenizerError} `format`
 */
export function configuredTemplates(config: JsonObject, file: string): ChatTemplates {
  const value = own(config, "chat_template") ?? undefined;
  if (value === undefined || typeof value === "string") return { chatTemplate: value };
  if (!Array.isArray(value)) {
    throw new TokenizerError(
      "format",
      `${file}: chat_template is ${show(value)}: expected a text or a list of named templates`,
    );
  }
  return namedTemplates(value.map((one, i) => {
    const name = isJsonObject(one) ? own(one, "name") : undefined;
    const template = isJsonObject(one) ? own(one, "template") : undefined;
    if (typeof name === "string" && typeof template === "string") return [name, template];
    throw new TokenizerError(
      "format",
      `${file}: chat_template[${i}] is ${show(one)}: expected an object with a name and a template`,
    );
  }));
}

/** Templates by name. */
export function namedTemplates(
  entries: readonly (readonly [name: string, template: string])[],
): ChatTemplates {
  const byName = new Map(entries);
  return { chatTemplate: byName.get("default"), chatTemplates: Object.fromEntries(byName) };
}

/**
 * The template for a conversation: the one asked for, by its name or as a text; with tools the one for tools; else the default.
 *
 * @throws {TokenizerError} `missing`
 */
export function chooseTemplate(
  { chatTemplate, chatTemplates }: ChatTemplates,
  asked: string | undefined,
  hasTools: boolean,
): string {
  const byName = (name: string) =>
    chatTemplates !== undefined && Object.hasOwn(chatTemplates, name) ? chatTemplates[name] : undefined;
  if (asked !== undefined) return byName(asked) ?? asked;
  const chosen = (hasTools ? byName("tool_use") : undefined) ?? byName("default") ?? chatTemplate;
  if (chosen !== undefined) return chosen;
  if (chatTemplates === undefined) throw new TokenizerError("missing", "the tokenizer has no chat_template");
  const names = Object.keys(chatTemplates).sort().join(", ");
  throw new TokenizerError("missing", `the tokenizer has no default chat_template: ask for one of ${names}`);
}

/** The templates that have files of their own, which go before those of the configuration; undefined where there are none. */
export async function readTemplates(folder: string): Promise<ChatTemplates | undefined> {
  const found: [name: string, template: string][] = [];
  const main = await unlessMissing(readText(`${folder}chat_template.jinja`));
  if (main !== undefined) found.push(["default", main]);
  const more = `${folder}additional_chat_templates`;
  for (const name of (await unlessMissing(namesIn(more)) ?? []).sort()) {
    if (name.endsWith(".jinja")) {
      found.push([name.slice(0, -".jinja".length), await readText(`${more}/${name}`)]);
    }
  }
  if (found.length === 0) return undefined;
  return found.length === 1 && main !== undefined ? { chatTemplate: main } : namedTemplates(found);
}

async function unlessMissing<T>(value: Promise<T>): Promise<T | undefined> {
  return await value.catch((error) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
}
