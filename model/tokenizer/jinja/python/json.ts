/** The filter `tojson`, as transformers defines it: `json.dumps` with four of its options. */
import { bind, itemsOf, toInteger } from "./bind.ts";
import { less } from "./compare.ts";
import { spend, spendText, TemplateError, unsupported } from "../error.ts";
import { floatText } from "./numbers.ts";
import { Dict, type Keywords, type List, repr, str, textOf, truth, typeName, type Value } from "./values.ts";

interface Style {
  readonly ascii: boolean;
  /** One level of indentation, or none: all on one line. */
  readonly indent?: string;
  readonly comma: string;
  readonly colon: string;
  readonly sort: boolean;
}

/** `json.dumps(value, ...)`. */
export function toJson(value: Value, args: List, keywords: Keywords): string {
  const names = ["/", "ensure_ascii=", "indent=", "separators=", "sort_keys="];
  const [ascii, indent, separators, sort] = bind("tojson", names, args, keywords);
  const step = indentOf(indent ?? null);
  const [comma, colon] = separatorsOf(separators ?? null, step !== undefined);
  return write(value, {
    ...{ ascii: ascii !== undefined && truth(ascii), indent: step, comma, colon },
    sort: sort !== undefined && truth(sort),
  }, "\n");
}

function indentOf(indent: Value): string | undefined {
  if (indent === null) return undefined;
  return textOf(indent) ?? " ".repeat(Math.min(1000, Math.max(0, toInteger(indent, 0))));
}

function separatorsOf(separators: Value, indented: boolean): [string, string] {
  if (separators === null) return [indented ? "," : ", ", ": "];
  const [comma, colon, ...others] = itemsOf(separators) ?? [];
  if (typeof comma !== "string" || typeof colon !== "string" || others.length > 0) {
    throw unsupported(`separators=${repr(separators)}`);
  }
  return [comma, colon];
}

function write(value: Value, style: Style, line: string): string {
  spend(1);
  const text = textOf(value), items = itemsOf(value);
  if (text !== undefined) return writeText(text, style.ascii);
  if (value === null) return "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return writeFloat(value);
  const inner = style.indent === undefined ? line : line + style.indent;
  if (items !== undefined) {
    return enclose(
      "[]",
      items.map((one) => write(one, style, inner)),
      style,
      line,
      inner,
    );
  }
  if (!(value instanceof Dict)) {
    throw new TemplateError("type", `Object of type ${typeName(value)} is not JSON serializable`);
  }
  const entries = style.sort ? sorted(value) : value.entries;
  const pairs = entries.map(([key, one]) =>
    writeText(keyText(key), style.ascii) + style.colon + write(one, style, inner)
  );
  return enclose("{}", pairs, style, line, inner);
}

function sorted(dict: Dict): Dict["entries"] {
  return dict.entries.toSorted(([a], [b]) => less(a, b) ? -1 : less(b, a) ? 1 : 0);
}

function enclose(
  brackets: string,
  parts: readonly string[],
  style: Style,
  line: string,
  inner: string,
): string {
  if (parts.length === 0) return brackets;
  const [before, after] = style.indent === undefined ? ["", ""] : [inner, line];
  const body = parts.join(style.comma + before);
  spendText(body.length);
  return brackets[0] + before + body + after + brackets[1];
}

function writeFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? floatText(value) : value > 0 ? "Infinity" : "-Infinity";
}

function keyText(key: Value): string {
  const text = textOf(key);
  if (text !== undefined) return text;
  if (typeof key === "boolean") return key ? "true" : "false";
  if (key === null) return "null";
  if (typeof key === "number") return writeFloat(key);
  if (typeof key === "bigint") return str(key);
  throw new TemplateError("type", `keys must be str, int, float, bool or None, not ${typeName(key)}`);
}

const short: Readonly<Record<string, string>> = {
  ...{ '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f", "\b": "\\b" },
};

function writeText(text: string, ascii: boolean): string {
  spendText(text.length);
  const special = ascii ? /["\\]|[^ -~]/g : /["\\]|[^ -\uffff]/g;
  return `"${
    text.replace(special, (one) => short[one] ?? `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`)
  }"`;
}
