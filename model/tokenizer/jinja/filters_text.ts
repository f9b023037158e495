/** Filters of text and numbers. */
import { bind, type Parameters, toInteger, toNumber, toText, toWhole } from "./python/bind.ts";
import { TemplateError, unsupported } from "./error.ts";
import { escapeHtml, stripTags } from "./python/html.ts";
import { toJson } from "./python/json.ts";
import { type FilterFunction, refused } from "./library.ts";
import {
  arithmetic,
  decimal,
  parseFloatText,
  parseInteger,
  roundFloat,
  scaled,
  toFloat,
  truncate,
} from "./python/numbers.ts";
import { formatPercent } from "./python/percent.ts";
import { replace, splitRight, stringMethod } from "./python/string_methods.ts";
import { between, lengthOf, splitLines } from "./python/text.ts";
import {
  Dict,
  elements,
  isList,
  Markup,
  repr,
  size,
  str,
  textOf,
  truth,
  tryIterate,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./python/values.ts";
import { getAttribute, getItem } from "./python/attributes.ts";
import { wrapLine } from "./python/wrap.ts";

type Given = readonly (Value | undefined)[];

/** A filter with named parameters. */
export function filter(
  name: string,
  parameters: Parameters,
  run: (value: Value, given: Given) => Value,
): [string, FilterFunction] {
  return [name, (value, args, keywords) => run(value, bind(name, ["/", ...parameters], args, keywords))];
}

/** A value as text; HTML stays HTML. */
function soft(value: Value): string | Markup {
  return value instanceof Markup || typeof value === "string" ? value : str(value);
}

const isTrue = (value: Value | undefined) => value !== undefined && truth(value);

/** A method of text as a filter. */
function method(name: string, parameters: Parameters = []): [string, FilterFunction] {
  return filter(name, parameters, (value, given) => callMethod(soft(value), name, given));
}

function callMethod(text: string | Markup, name: string, given: Given): Value {
  const found = stringMethod(text, name, { attribute: getAttribute, item: getItem });
  if (found === undefined) throw new TemplateError("type", `no method ${name}`);
  return found.call(given.filter((one) => one !== undefined), new Map());
}

function title(value: Value): Value {
  return str(value).split(/([-\s({[<]+)/).filter(Boolean).map((item) => {
    const [first, ...rest] = Array.from(item);
    return first.toUpperCase() + rest.join("").toLowerCase();
  }).join("");
}

function indent(value: Value, [width, first, blank]: Given): Value {
  const text = toText(value, "the value of indent");
  const step = width === undefined
    ? "    "
    : textOf(width) ?? " ".repeat(Math.min(1e6, Math.max(0, toInteger(width, 4))));
  const lines = splitLines(`${text}\n`);
  const shown = isTrue(blank)
    ? lines.join(`\n${step}`)
    : lines.map((line, i) => i > 0 && line !== "" ? step + line : line).join("\n");
  const result = isTrue(first) ? step + shown : shown;
  return value instanceof Markup ? new Markup(result) : result;
}

function truncateText(value: Value, [length, kill, end, leeway]: Given): Value {
  const most = toInteger(length, 255), tail = end === undefined ? "..." : toText(end, "end");
  const slack = leeway === undefined || leeway === null ? 5 : toInteger(leeway, 5);
  if (most < lengthOf(tail) || slack < 0) {
    throw new TemplateError("value", `truncate: expected length >= ${lengthOf(tail)} and leeway >= 0`);
  }
  if (size(value) <= most + slack) return value;
  const text = toText(value, "the value of truncate");
  if (value instanceof Markup) throw unsupported("truncate of HTML");
  const cut = between(text, 0, most - lengthOf(tail));
  return (isTrue(kill) ? cut : splitRight(cut, " ", 1n)[0]) + tail;
}

function wordWrap(value: Value, [width, long, mark, hyphens]: Given): Value {
  const text = toText(value, "the value of wordwrap"),
    end = mark === undefined || mark === null ? "\n" : toText(mark, "wrapstring");
  const options = {
    width: toInteger(width, 79),
    long: long === undefined || truth(long),
    hyphens: hyphens === undefined || truth(hyphens),
  };
  return splitLines(text).map((line) => wrapLine(line, options).join(end)).join(end);
}

function toInt(value: Value, [byDefault = 0n, base]: Given): Value {
  const text = textOf(value);
  try {
    if (text !== undefined) return parseInteger(text, toInteger(base, 10));
    return toWhole(value, "the value of int");
  } catch (error) {
    if (!isConversion(error)) throw error;
  }
  try {
    return truncate(text === undefined ? toNumber(value, "the value of int") : parseFloatText(text));
  } catch (error) {
    if (!isConversion(error) && !(error instanceof TemplateError && error.code === "overflow")) throw error;
    return byDefault;
  }
}

function isConversion(error: unknown): boolean {
  return error instanceof TemplateError && (error.code === "type" || error.code === "value");
}

function toFloatValue(value: Value, [byDefault = 0]: Given): Value {
  try {
    const text = textOf(value);
    return text === undefined ? toFloat(toNumber(value, "the value of float")) : parseFloatText(text);
  } catch (error) {
    if (isConversion(error)) return byDefault;
    throw error;
  }
}

function round(value: Value, [precision, method]: Given): Value {
  const way = method === undefined ? "common" : textOf(method);
  if (way !== "common" && way !== "ceil" && way !== "floor") {
    throw new TemplateError("value", "method must be common, ceil or floor");
  }
  const number = toNumber(value, "the value of round"), places = toInteger(precision, 0);
  if (way === "common") {
    return typeof number === "bigint" ? roundInteger(number, places) : roundFloat(number, places);
  }
  const scale = arithmetic("**", 10n, BigInt(places)), moved = arithmetic("*", number, scale);
  const whole = typeof moved === "bigint"
    ? moved
    : truncate(way === "ceil" ? Math.ceil(moved) : Math.floor(moved));
  return arithmetic("/", whole, scale);
}

function roundInteger(value: bigint, places: number): bigint {
  if (places >= 0) return value;
  const step = 10n ** BigInt(Math.min(400, -places)), size = value < 0n ? -value : value;
  const low = size - size % step, rest = 2n * (size % step);
  const rounded = rest > step || rest === step && low / step % 2n === 1n ? low + step : low;
  return value < 0n ? -rounded : rounded;
}

function fileSize(value: Value, [binary]: Given): Value {
  const text = textOf(value),
    size = text === undefined
      ? toFloat(toNumber(value, "the value of filesizeformat"))
      : parseFloatText(text);
  const base = isTrue(binary) ? 1024 : 1000, middle = isTrue(binary) ? "iB" : "B";
  if (size === 1) return "1 Byte";
  if (size < base) return `${truncate(size)} Bytes`;
  const letters = isTrue(binary) ? "KMGTPEZY" : "kMGTPEZY";
  const step = Array.from(letters).findIndex((_, i) => size < base ** (i + 2));
  const at = step < 0 ? letters.length - 1 : step;
  return `${decimal(scaled(base * size / base ** (at + 2), 1), 1)} ${letters[at]}${middle}`;
}

function quoteUrl(value: Value, safe: string): string {
  const text = str(value);
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  ).replaceAll("%2F", safe === "/" ? "/" : "%2F").replaceAll("%20", safe === "/" ? "%20" : "+");
}

function urlEncode(value: Value): Value {
  if (textOf(value) !== undefined || tryIterate(value) === undefined) return quoteUrl(value, "/");
  const pairs = value instanceof Dict ? value.entries : Array.from(elements(value), (one): [Value, Value] => {
    const [key, item, ...more] = elements(one);
    if (item === undefined || more.length > 0) throw new TemplateError("value", "urlencode: expected pairs");
    return [key, item];
  });
  return pairs.map(([key, item]) => `${quoteUrl(key, "")}=${quoteUrl(item, "")}`).join("&");
}

function xmlAttributes(value: Value, [space]: Given): Value {
  if (!(value instanceof Dict)) {
    throw new TemplateError("type", `'${typeName(value)}' object has no attribute 'items'`);
  }
  const shown = value.entries.filter(([, item]) => item !== null && !(item instanceof Undefined)).map(
    ([key, item]) => {
      if (/[ \t\n\r\f\v/>=]/.test(toText(key, "the name of an attribute"))) {
        throw new TemplateError("value", `Invalid character in attribute name: ${repr(key)}`);
      }
      return `${escapeHtml(key)}="${escapeHtml(item)}"`;
    },
  ).join(" ");
  return shown !== "" && (space === undefined || truth(space)) ? ` ${shown}` : shown;
}

/** What `pprint` shows on one line: dicts in the order of their keys. */
function pretty(value: Value): Value {
  const ordered = (one: Value): Value => {
    if (isList(one)) return one.map(ordered);
    if (one instanceof Tuple) return new Tuple(one.items.map(ordered));
    if (!(one instanceof Dict)) return one;
    if (one.entries.some(([key]) => typeof key !== "string")) {
      throw unsupported("pprint of keys that are no text");
    }
    return Dict.from(
      one.entries.map(([key, item]) => [key, ordered(item)] as const).toSorted(([a], [b]) =>
        str(a) < str(b) ? -1 : 1
      ),
    );
  };
  const shown = repr(ordered(value));
  if (shown.length > 79) throw unsupported("pprint of more than a line");
  return shown;
}

/** Filters of text and numbers, by name. */
export const textFilters: readonly (readonly [string, FilterFunction])[] = [
  filter("abs", [], (value) => {
    const number = toNumber(value, "the value of abs");
    return number < 0 || Object.is(number, -0) ? -number : number;
  }),
  method("capitalize"),
  filter("center", ["width="], (value, [width = 80n]) => callMethod(soft(value), "center", [width])),
  filter(
    "default",
    ["default_value=", "boolean="],
    (value, [other = "", boolean]) =>
      value instanceof Undefined || isTrue(boolean) && !truth(value) ? other : value,
  ),
  filter(
    "d",
    ["default_value=", "boolean="],
    (value, [other = "", boolean]) =>
      value instanceof Undefined || isTrue(boolean) && !truth(value) ? other : value,
  ),
  filter("e", [], (value) => new Markup(escapeHtml(value))),
  filter("escape", [], (value) => new Markup(escapeHtml(value))),
  filter("filesizeformat", ["binary="], fileSize),
  filter("float", ["default="], toFloatValue),
  filter("forceescape", [], (value) => new Markup(escapeHtml(str(value)))),
  ["format", (value, args, keywords) => {
    if (args.length > 0 && keywords.size > 0) {
      throw new TemplateError("value", "can't handle positional and keyword arguments at the same time");
    }
    const values = keywords.size > 0 ? Dict.from(keywords) : new Tuple(args), text = soft(value);
    return text instanceof Markup
      ? new Markup(formatPercent(text.content, values, true))
      : formatPercent(text, values);
  }],
  filter("indent", ["width=", "first=", "blank="], indent),
  filter("int", ["default=", "base="], toInt),
  method("lower"),
  filter("pprint", [], pretty),
  filter(
    "replace",
    ["old", "new", "count="],
    (value, [old = "", fresh = "", count]) =>
      replace(
        str(value),
        str(old),
        str(fresh),
        count === undefined || count === null ? -1 : toInteger(count, -1),
      ),
  ),
  filter("round", ["precision=", "method="], round),
  filter("safe", [], (value) => new Markup(str(value))),
  filter("string", [], soft),
  filter("striptags", [], (value) => stripTags(str(value))),
  filter("title", [], title),
  ["tojson", toJson],
  filter("trim", ["chars="], (value, [chars]) => callMethod(soft(value), "strip", [chars])),
  filter("truncate", ["length=", "killwords=", "end=", "leeway="], truncateText),
  method("upper"),
  filter("urlencode", [], urlEncode),
  ["urlize", refused("urlize")],
  filter("wordcount", [], (value) => BigInt(str(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0)),
  filter("wordwrap", ["width=", "break_long_words=", "wrapstring=", "break_on_hyphens="], wordWrap),
  filter("xmlattr", ["autospace="], xmlAttributes),
];
