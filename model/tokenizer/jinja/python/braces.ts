/** `text.format(...)`, as the sandbox does it. */
import { TemplateError, unsupported } from "../error.ts";
import { escapeHtml } from "./html.ts";
import { formatSpec } from "./layout.ts";
import { asciiEscape, points } from "./text.ts";
import {
  Dict,
  type Keywords,
  type List,
  Markup,
  numberOf,
  repr,
  str,
  Tuple,
  typeName,
  type Value,
} from "./values.ts";

/** `value.name` and `value[key]` as Jinja means them. */
export interface LookUp {
  /** An attribute, or else an item. */
  attribute(value: Value, name: string): Value;
  /** An item, or else an attribute. */
  item(value: Value, key: Value): Value;
}

/** What fields are filled with. */
interface Source {
  readonly lookUp: LookUp;
  readonly args: List;
  readonly named: (name: string) => Value | undefined;
  readonly escape: boolean;
  /** The number of the next field without one; undefined once fields have numbers. */
  next: number | undefined;
}

/** A text with fields in braces, filled. */
export function formatBraces(
  text: string,
  method: "format" | "format_map",
  args: List,
  keywords: Keywords,
  escape: boolean,
  lookUp: LookUp,
): string {
  if (method === "format") {
    return fill(text, { lookUp, args, named: (name) => keywords.get(name), escape, next: 0 }, 2);
  }
  const [mapping] = args;
  if (keywords.size > 0 || args.length !== 1) {
    throw new TemplateError("type", `format_map() takes exactly one argument (${args.length} given)`);
  }
  if (!(mapping instanceof Dict)) throw unsupported(`format_map with a ${typeName(mapping)}`);
  return fill(text, { lookUp, args: [], named: (name) => mapping.get(name), escape, next: 0 }, 2);
}

function fill(text: string, source: Source, depth: number): string {
  if (depth < 0) throw new TemplateError("value", "Max string recursion exceeded");
  let result = "", at = 0;
  while (at < text.length) {
    const one = text[at];
    if (one !== "{" && one !== "}") {
      result += one;
      at++;
    } else if (text[at + 1] === one) {
      result += one;
      at += 2;
    } else {
      if (one === "}") throw new TemplateError("value", "Single '}' encountered in format string");
      const end = closing(text, at);
      result += field(text.slice(at + 1, end), source, depth);
      at = end + 1;
    }
  }
  return result;
}

function closing(text: string, open: number): number {
  let depth = 0, bracket = false;
  for (let at = open; at < text.length; at++) {
    // A bracket hides braces up to its end.
    if (text[at] === "[") bracket = true;
    else if (text[at] === "]") bracket = false;
    else if (text[at] === "{" && !bracket) depth++;
    else if (text[at] === "}" && !bracket && --depth === 0) return at;
  }
  throw new TemplateError("value", "expected '}' before end of string");
}

function field(inside: string, source: Source, depth: number): string {
  const [, path, conversion, spec = ""] =
    /^((?:[^!:[{]|\[[^\]]*\])*)(?:!([^:]*))?(?::([^]*))?$/u.exec(inside) ?? [];
  if (path === undefined) throw new TemplateError("value", "unexpected '{' in field name");
  const found = value(path, source), shown = conversion === undefined ? found : converted(found, conversion);
  return format(shown, fill(spec, source, depth - 1), source.escape);
}

function value(path: string, source: Source): Value {
  const [, first, rest] = /^([^.[]*)([^]*)$/.exec(path) ?? ["", path, ""];
  number(path, source);
  let found = argument(first || (rest === "" ? String((source.next ?? 1) - 1) : ""), source), at = 0;
  while (at < rest.length) {
    const [step, name, key] = /^(?:\.([^.[]*)|\[([^\]]*)\])/.exec(rest.slice(at)) ?? [];
    if (step === undefined || (name ?? key) === "") {
      throw new TemplateError("value", "Empty attribute in format string");
    }
    found = name !== undefined
      ? source.lookUp.attribute(found, name)
      : source.lookUp.item(found, /^\d+$/.test(key) ? BigInt(key) : key);
    at += step.length;
  }
  return found;
}

/** Fields have numbers, or none of them has. */
function number(path: string, source: Source): void {
  if (path !== "" && !/^\d+$/.test(path)) return;
  if (path === "" ? source.next === undefined : source.next !== undefined && source.next > 0) {
    throw new TemplateError(
      "value",
      "cannot switch between manual field specification and automatic field numbering",
    );
  }
  source.next = path === "" ? (source.next ?? 0) + 1 : undefined;
}

function argument(name: string, source: Source): Value {
  const found = /^\d+$/.test(name) ? source.args[Number(name)] : source.named(name);
  if (found === undefined) {
    throw new TemplateError("lookup", `the format has a field '${name}' without a value`);
  }
  return found;
}

function converted(found: Value, conversion: string): Value {
  if (conversion === "s") return str(found);
  if (conversion === "r") return repr(found);
  if (conversion === "a") {
    return points(repr(found)).map((one) => one <= "\x7f" ? one : asciiEscape(one)).join("");
  }
  throw new TemplateError("value", `Unknown conversion specifier ${conversion}`);
}

/** `format(value, spec)`. */
function format(found: Value, spec: string, escape: boolean): string {
  if (found instanceof Markup) {
    if (escape && spec !== "") {
      throw new TemplateError("value", "Unsupported format specification for Markup.");
    }
    return escape ? found.content : formatSpec(found.content, spec);
  }
  const text = spec === ""
    ? str(found)
    : typeof found === "string" || typeof found === "boolean"
    ? formatSpec(found, spec)
    : formatOther(found, spec);
  return escape ? escapeHtml(text) : text;
}

function formatOther(found: Value, spec: string): string {
  const number = numberOf(found);
  if (number !== undefined) return formatSpec(number, spec);
  const name = found instanceof Tuple ? "tuple" : typeName(found);
  throw new TemplateError("type", `unsupported format string passed to ${name}.__format__`);
}
