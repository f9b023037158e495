/** The methods of `str`. */
import { bind, itemsOf, type Parameters, toIndex, toInteger, toText } from "./bind.ts";
import { formatBraces, type LookUp } from "./braces.ts";
import { spendText, TemplateError, unsupported } from "../error.ts";
import { escapeHtml, words } from "./html.ts";
import { pad } from "./layout.ts";
import { Callable } from "./objects.ts";
import { digitSigns, numberWords } from "./unicode.ts";
import {
  capitalize,
  isLower,
  isPrintable,
  isSpace,
  isUpper,
  lengthOf,
  points,
  splitLines,
  strip,
  swapCase,
  title,
} from "./text.ts";
import {
  elements,
  type Keywords,
  type List,
  Markup,
  textOf,
  truth,
  Tuple,
  typeName,
  type Value,
} from "./values.ts";

type Given = readonly (Value | undefined)[];
type Method = readonly [
  parameters: Parameters,
  run: (text: string, given: Given, isMarkup: boolean) => Value,
];

const plain = (run: (text: string) => Value): Method => [[], run];
const every = (pattern: RegExp): Method => [[], (text) => pattern.test(text)];

/** Characters to strip: a text, None or nothing. */
function characters(value: Value | undefined): string | undefined {
  return value === undefined || value === null ? undefined : toText(value, "strip arg");
}

const stripped = (ends: "both" | "left" | "right"): Method => [
  ["chars="],
  (text, [chars]) => strip(text, characters(chars), ends),
];

const padded = (
  align: "<" | ">" | "^",
): Method => [["width", "fillchar="], (text, [width, given], isMarkup) => {
  const fill = given === undefined ? " " : isMarkup ? escapeHtml(given) : toText(given, "the fill character");
  if (lengthOf(fill) !== 1) {
    throw new TemplateError("type", "The fill character must be exactly one character long");
  }
  const to = toInteger(width, 0);
  spendText(to);
  return align === "^" ? centered(text, to, fill) : pad(text, to, align, fill);
}];

/** As `str.center` rounds: the odd blank goes left where the width is odd. */
function centered(text: string, width: number, fill: string): string {
  const missing = width - lengthOf(text);
  if (missing <= 0) return text;
  const left = Math.floor(missing / 2) + (missing & width & 1);
  return fill.repeat(left) + text + fill.repeat(missing - left);
}

/** `text.split(separator, most)`. */
export function split(text: string, separator: Value | undefined, most: Value | undefined): string[] {
  const limit = toInteger(most, -1), count = limit < 0 ? Infinity : limit;
  if (separator === undefined || separator === null) return splitBlanks(text, count);
  const mark = separatorOf(separator), parts = text.split(mark);
  spendText(text.length);
  return parts.length <= count + 1 ? parts : [...parts.slice(0, count), parts.slice(count).join(mark)];
}

/** `text.rsplit(separator, most)`. */
export function splitRight(text: string, separator: Value | undefined, most: Value | undefined): string[] {
  const limit = toInteger(most, -1), count = limit < 0 ? Infinity : limit;
  const turn = (one: string) => points(one).toReversed().join("");
  if (separator === undefined || separator === null) {
    return splitBlanks(turn(text), count).map(turn).reverse();
  }
  const mark = turn(separatorOf(separator)), parts = turn(text).split(mark);
  const kept = parts.length <= count + 1 ? parts : [...parts.slice(0, count), parts.slice(count).join(mark)];
  return kept.map(turn).reverse();
}

function separatorOf(value: Value): string {
  const separator = toText(value, "the separator");
  if (separator === "") throw new TemplateError("value", "empty separator");
  return separator;
}

function splitBlanks(text: string, most: number): string[] {
  if (most === Infinity) return words(text);
  const list = points(text), parts: string[] = [];
  let at = 0;
  while (true) {
    while (at < list.length && isSpace(list[at])) at++;
    if (at === list.length) return parts;
    if (parts.length >= most) return [...parts, list.slice(at).join("")];
    const from = at;
    while (at < list.length && !isSpace(list[at])) at++;
    parts.push(list.slice(from, at).join(""));
  }
}

function partition(text: string, separator: Value | undefined, last: boolean): Tuple {
  const mark = separatorOf(separator ?? ""), at = last ? text.lastIndexOf(mark) : text.indexOf(mark);
  if (at < 0) return new Tuple(last ? ["", "", text] : [text, "", ""]);
  return new Tuple([text.slice(0, at), mark, text.slice(at + mark.length)]);
}

/** The part of a text that two bounds leave, and where it begins; undefined where the beginning lies behind the end. */
function part(
  text: string,
  start: Value | undefined,
  stop: Value | undefined,
): [part: string, from: number] | undefined {
  const first = toIndex(start), last = toIndex(stop);
  spendText(text.length);
  if (first === undefined && last === undefined) return [text, 0];
  const list = points(text), place = (at: number) => Math.max(0, at < 0 ? at + list.length : at);
  const from = place(first ?? 0), to = Math.min(list.length, place(last ?? list.length));
  return from > to || from > list.length ? undefined : [list.slice(from, to).join(""), from];
}

function search(last: boolean, required: boolean): Method {
  return [["sub", "start=", "end="], (text, [sub, start, stop]) => {
    const wanted = toText(sub, "the text to find"),
      [inside, from] = part(text, start, stop) ?? [undefined, 0];
    const at = (last ? inside?.lastIndexOf(wanted) : inside?.indexOf(wanted)) ?? -1;
    if (inside !== undefined && at >= 0) return BigInt(from + lengthOf(inside.slice(0, at)));
    if (required) throw new TemplateError("value", "substring not found");
    return -1n;
  }];
}

function ends(name: "startsWith" | "endsWith"): Method {
  return [["prefix", "start=", "end="], (text, [affix, start, stop]) => {
    const [inside] = part(text, start, stop) ?? [];
    const options = affix instanceof Tuple ? affix.items : [affix];
    return options.some((one) => {
      const wanted = toText(one, `${name.toLowerCase()} first arg`);
      return inside?.[name](wanted) ?? false;
    });
  }];
}

function count(text: string, [sub, start, stop]: Given): Value {
  const wanted = toText(sub, "the text to count"), [inside] = part(text, start, stop) ?? [];
  if (inside === undefined) return 0n;
  return BigInt(wanted === "" ? lengthOf(inside) + 1 : inside.split(wanted).length - 1);
}

/** `text.replace(old, new, count)`. */
export function replace(text: string, old: string, fresh: string, most: number): string {
  const limit = most < 0 ? Infinity : most;
  const parts = old === "" ? ["", ...points(text), ""] : text.split(old);
  const joints = Math.min(limit, parts.length - 1);
  spendText(text.length + joints * fresh.length);
  if (joints === parts.length - 1) return parts.join(fresh);
  return parts.slice(0, joints).map((one) => one + fresh).join("") + parts.slice(joints).join(old);
}

function join(text: string, [list]: Given, isMarkup: boolean): Value {
  const parts = Array.from(elements(list ?? null), (one, i) => {
    if (isMarkup) return escapeHtml(one);
    const inner = textOf(one);
    if (inner !== undefined) return inner;
    throw new TemplateError("type", `sequence item ${i}: expected str instance, ${typeName(one)} found`);
  });
  spendText(parts.reduce((sum, one) => sum + one.length + text.length, 0));
  return parts.join(text);
}

function expandTabs(text: string, [given]: Given): Value {
  const width = toInteger(given, 8);
  let column = 0;
  return points(text).map((one) => {
    if (one !== "\t") {
      column = one === "\n" || one === "\r" ? 0 : column + 1;
      return one;
    }
    const missing = width > 0 ? width - column % width : 0;
    spendText(missing);
    column += missing;
    return " ".repeat(missing);
  }).join("");
}

function zfill(text: string, [given]: Given): Value {
  const width = toInteger(given, 0), sign = /^[-+]/.test(text) ? text[0] : "";
  spendText(width);
  return sign + pad(text.slice(sign.length), width - sign.length, ">", "0");
}

/** Whether all letters that have a case have this one, and there is one. */
export function allCased(text: string, lower: boolean): boolean {
  const list = points(text), wrong = lower ? isUpper : isLower, right = lower ? isLower : isUpper;
  return list.some(right) && !list.some((one) => wrong(one) || /^\p{Lt}$/u.test(one));
}

function isTitle(text: string): boolean {
  let after = false, found = false;
  for (const one of points(text)) {
    const capital = isUpper(one) || /^\p{Lt}$/u.test(one), small = isLower(one);
    if (capital && after || small && !after) return false;
    after = capital || small;
    found ||= after;
  }
  return found;
}

// Which characters Unicode gives a digit's or a number's value is no property that patterns know.
const digits = new RegExp(`^[\\p{Nd}${digitSigns}]+$`, "u"),
  numerals = new RegExp(`^[\\p{N}${numberWords}]+$`, "u");

const methods = new Map<string, Method>([
  ["capitalize", plain(capitalize)],
  [
    "casefold",
    plain((text) => {
      // deno-lint-ignore no-control-regex
      if (/[^\x00-\x7f]/.test(text)) throw unsupported("casefold of letters that are not ASCII");
      return text.toLowerCase();
    }),
  ],
  ["center", padded("^")],
  ["count", [["sub", "start=", "end="], count]],
  ["endswith", ends("endsWith")],
  ["expandtabs", [["/", "tabsize="], expandTabs]],
  ["find", search(false, false)],
  ["index", search(false, true)],
  ["isalnum", every(/^[\p{L}\p{N}]+$/u)],
  ["isalpha", every(/^\p{L}+$/u)],
  // deno-lint-ignore no-control-regex
  ["isascii", every(/^[\x00-\x7f]*$/)],
  ["isdecimal", every(/^\p{Nd}+$/u)],
  ["isdigit", every(digits)],
  ["isidentifier", every(/^[\p{XIDS}_]\p{XIDC}*$/u)],
  ["islower", plain((text) => allCased(text, true))],
  ["isnumeric", every(numerals)],
  ["isprintable", plain((text) => points(text).every(isPrintable))],
  ["isspace", plain((text) => text !== "" && points(text).every(isSpace))],
  ["istitle", plain(isTitle)],
  ["isupper", plain((text) => allCased(text, false))],
  ["join", [["iterable"], join]],
  ["ljust", padded("<")],
  ["lower", plain((text) => text.toLowerCase())],
  ["lstrip", stripped("left")],
  ["partition", [["sep"], (text, [separator]) => partition(text, separator, false)]],
  ["removeprefix", [["prefix"], (text, [given]) => {
    const prefix = toText(given, "the prefix");
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  }]],
  ["removesuffix", [["suffix"], (text, [given]) => {
    const suffix = toText(given, "the suffix");
    return text.endsWith(suffix) ? text.slice(0, text.length - suffix.length) : text;
  }]],
  ["replace", [["old", "new", "count="], (text, [old, fresh, most], isMarkup) => {
    const to = isMarkup
      ? escapeHtml(fresh === undefined ? "" : fresh)
      : toText(fresh, "replace() argument 2");
    return replace(text, toText(old, "replace() argument 1"), to, toInteger(most, -1));
  }]],
  ["rfind", search(true, false)],
  ["rindex", search(true, true)],
  ["rjust", padded(">")],
  ["rpartition", [["sep"], (text, [separator]) => partition(text, separator, true)]],
  ["rsplit", [["/", "sep=", "maxsplit="], (text, [separator, most]) => splitRight(text, separator, most)]],
  ["rstrip", stripped("right")],
  ["split", [["/", "sep=", "maxsplit="], (text, [separator, most]) => split(text, separator, most)]],
  ["splitlines", [["/", "keepends="], (text, [keep]) => splitLines(text, keep !== undefined && truth(keep))]],
  ["startswith", ends("startsWith")],
  ["strip", stripped("both")],
  ["swapcase", plain(swapCase)],
  ["title", plain(title)],
  ["upper", plain((text) => text.toUpperCase())],
  ["zfill", [["width"], zfill]],
]);

/** The results of a method of HTML are HTML. */
function asMarkup(value: Value): Value {
  if (typeof value === "string") return new Markup(value);
  if (value instanceof Tuple) return new Tuple(value.items.map(asMarkup));
  return itemsOf(value)?.map(asMarkup) ?? value;
}

/** A method of a text, undefined if there is none of this name. */
export function stringMethod(value: string | Markup, name: string, lookUp: LookUp): Callable | undefined {
  const isMarkup = value instanceof Markup, text = isMarkup ? value.content : value;
  const finish = (result: Value) => isMarkup ? asMarkup(result) : result;
  if (name === "format" || name === "format_map") {
    return new Callable(
      name,
      (args: List, keywords: Keywords) => finish(formatBraces(text, name, args, keywords, isMarkup, lookUp)),
    );
  }
  const method = methods.get(name);
  if (method === undefined) return undefined;
  const [parameters, run] = method;
  return new Callable(
    name,
    (args, keywords) => finish(run(text, bind(name, parameters, args, keywords), isMarkup)),
  );
}
