/** `text % values`. */
import { toNumber, toWhole } from "./bind.ts";
import { spendText, TemplateError, unsupported } from "../error.ts";
import { escapeHtml } from "./html.ts";
import { floatDigits, integerDigits, pad } from "./layout.ts";
import { toFloat } from "./numbers.ts";
import { Range } from "./objects.ts";
import { asciiEscape, points } from "./text.ts";
import {
  Dict,
  isList,
  numberOf,
  repr,
  str,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

const directive = /%(?:\(([^()]*)\))?([-+ #0]*)(\*|\d*)(?:\.(\*|\d*))?[hlL]?([^]?)/gu;

/** A text with the values of a tuple, of a dict or one value in the place of its directives. */
export function formatPercent(format: string, values: Value, escape = false): string {
  const given = values instanceof Tuple ? values.items : [values];
  const shown = (text: string) => escape ? escapeHtml(text) : text;
  let used = 0;
  const next = (): Value => {
    if (used >= given.length) throw new TemplateError("type", "not enough arguments for format string");
    return given[used++];
  };
  const result = format.replace(directive, (whole, name, flags, width, precision, type) => {
    if (type === "%" && whole === "%%") return "%";
    if (width === "*" || precision === "*") throw unsupported("a width of * in a format");
    if (Number(width) > 1e6) throw new TemplateError("limit", "a width above a million");
    const text = one(
      {
        flags,
        width: Number(width),
        precision: precision === undefined ? undefined : Number(precision),
        type,
      },
      () => name === undefined ? next() : named(values, name),
      shown,
    );
    spendText(text.length);
    return text;
  });
  // Containers other than tuples may be left unused: they could be looked up by name.
  const mapping = values instanceof Dict || isList(values) || values instanceof Undefined ||
    values instanceof Range;
  if (used < given.length && !mapping) {
    throw new TemplateError("type", "not all arguments converted during string formatting");
  }
  return result;
}

function named(values: Value, name: string): Value {
  if (!(values instanceof Dict)) throw new TemplateError("type", "format requires a mapping");
  const found = values.get(name);
  if (found === undefined) throw new TemplateError("lookup", `KeyError: '${name}'`);
  return found;
}

interface Directive {
  readonly flags: string;
  readonly width: number;
  readonly precision?: number;
  readonly type: string;
}

function one(directive: Directive, value: () => Value, shown: (text: string) => string): string {
  const { flags, width, precision, type } = directive;
  if (type === "") throw new TemplateError("value", "incomplete format");
  const align = flags.includes("-") ? "<" : ">";
  if (type === "%") return "%";
  if (/[sra]/.test(type)) {
    const plain = value(), text = type === "s" ? textFor(plain, shown) : shown(asRepr(plain, type === "a"));
    return pad(precision === undefined ? text : points(text).slice(0, precision).join(""), width, align);
  }
  if (type === "c") return pad(character(value()), width, align);
  if (!/[diuoxXeEfFgG]/.test(type)) {
    throw new TemplateError("value", `unsupported format character '${type}'`);
  }
  const [negative, prefix, digits] = numberParts(value(), directive);
  const front = (negative ? "-" : flags.includes("+") ? "+" : flags.includes(" ") ? " " : "") + prefix;
  if (!flags.includes("0") || align === "<") return pad(front + digits, width, align);
  return front + pad(digits, width - front.length, ">", "0");
}

function textFor(value: Value, shown: (text: string) => string): string {
  return typeof value === "string" || textOf(value) === undefined ? shown(str(value)) : str(value);
}

function asRepr(value: Value, ascii: boolean): string {
  const text = repr(value);
  return ascii ? points(text).map((one) => one <= "\x7f" ? one : asciiEscape(one)).join("") : text;
}

function character(value: Value): string {
  const text = textOf(value);
  if (text !== undefined && points(text).length === 1) return text;
  const code = numberOf(value);
  if (typeof code !== "bigint") throw new TemplateError("type", "%c requires int or char");
  if (code < 0n || code > 0x10ffffn) throw new TemplateError("overflow", "%c arg not in range(0x110000)");
  return String.fromCodePoint(Number(code));
}

function numberParts(value: Value, { flags, precision, type }: Directive): [boolean, string, string] {
  if (value instanceof Undefined) value.fail();
  const alternate = flags.includes("#");
  if (/[diuoxX]/.test(type)) {
    if (/[oxX]/.test(type) && typeof value === "number") {
      throw new TemplateError("type", `%${type} format: an integer is required, not float`);
    }
    if (numberOf(value) === undefined) {
      throw new TemplateError("type", `%${type} format: a real number is required, not ${typeName(value)}`);
    }
    const whole = toWhole(value, `%${type}`), size = whole < 0n ? -whole : whole;
    const digits = integerDigits(size, type).padStart(Math.min(precision ?? 0, 1e6), "0");
    return [whole < 0n, alternate && /[oxX]/.test(type) ? `0${type}` : "", digits];
  }
  const float = toFloat(numberOf(value) ?? toNumber(value, `%${type}`));
  const negative = float < 0 || Object.is(float, -0);
  return [negative, "", floatDigits(float, type, precision ?? 6, alternate)];
}
