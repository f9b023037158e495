/** One value in a format: what `%` and `{}` share. */
import { spendText, TemplateError, unsupported } from "../error.ts";
import { decimal, floatText, scaled, shortest } from "./numbers.ts";
import { lengthOf } from "./text.ts";

/** Fills a text up to a width. */
export function pad(text: string, width: number, align: "<" | ">" | "^", fill = " "): string {
  const missing = width - lengthOf(text);
  if (missing <= 0) return text;
  spendText(width);
  if (align === "<") return text + fill.repeat(missing);
  const left = align === ">" ? missing : Math.floor(missing / 2);
  return fill.repeat(left) + text + fill.repeat(missing - left);
}

/** A number without its sign, in an alternate form (`#`) if asked for. */
export function floatDigits(value: number, type: string, precision: number, alternate: boolean): string {
  const size = Math.abs(value), upper = type === type.toUpperCase();
  if (!Number.isFinite(size)) {
    const name = Number.isNaN(size) ? "nan" : "inf";
    return upper ? name.toUpperCase() : name;
  }
  if (precision > 400) throw new TemplateError("limit", `a precision of ${precision}: expected at most 400`);
  const lower = type.toLowerCase();
  const text = lower === "f"
    ? fixed(size, precision, alternate)
    : lower === "e"
    ? exponential(size, precision, alternate)
    : general(size, precision || 1, alternate, false);
  return upper ? text.toUpperCase() : text;
}

function fixed(size: number, precision: number, alternate: boolean): string {
  return decimal(scaled(size, precision), precision) + (alternate && precision === 0 ? "." : "");
}

/** `count` significant digits, rounded half to even, and the power of ten of the first. */
function significant(size: number, count: number): { digits: string; exponent: number } {
  if (size === 0) return { digits: "0".repeat(count), exponent: 0 };
  let { exponent } = shortest(size);
  let digits = scaled(size, count - 1 - exponent);
  // Rounding may carry into a further digit.
  if (String(digits).length > count) digits = scaled(size, count - 1 - ++exponent);
  return { digits: String(digits), exponent };
}

function exponential(size: number, precision: number, alternate: boolean): string {
  const { digits, exponent } = significant(size, precision + 1);
  return withExponent(digits, exponent, alternate);
}

function withExponent(digits: string, exponent: number, alternate: boolean): string {
  const rest = digits.slice(1), size = String(Math.abs(exponent)).padStart(2, "0");
  return `${digits[0]}${rest !== "" || alternate ? "." : ""}${rest}e${exponent < 0 ? "-" : "+"}${size}`;
}

/** Type `g`, or with `point` the form without a type, which keeps a digit after the point. */
function general(size: number, precision: number, alternate: boolean, point: boolean): string {
  const { digits, exponent } = significant(size, precision);
  const kept = alternate ? digits : digits.replace(/0+$/, "") || "0";
  if (exponent < -4 || exponent >= precision - (point ? 1 : 0)) {
    return withExponent(kept, exponent, alternate);
  }
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${kept}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0"), rest = kept.slice(exponent + 1);
  return `${whole}${rest !== "" || alternate || point ? "." : ""}${rest || (point ? "0" : "")}`;
}

/** A percentage without its sign. */
function percentage(value: number, precision: number, alternate: boolean): string {
  return `${floatDigits(value * 100, "f", precision, alternate)}%`;
}

/** The digits of an integer in base 2, 8, 10 or 16. */
export function integerDigits(size: bigint, type: string): string {
  const base = { b: 2, o: 8, x: 16, X: 16 }[type] ?? 10, text = size.toString(base);
  return type === "X" ? text.toUpperCase() : text;
}

interface Spec {
  readonly fill: string;
  readonly align: string;
  readonly sign: string;
  readonly zero: string;
  readonly alternate: boolean;
  readonly width: number;
  readonly group: string;
  readonly precision?: number;
  readonly type: string;
}

/** `format(value, spec)` of a number or a text; others take no format. */
export function formatSpec(value: string | bigint | number | boolean, spec: string): string {
  const read = readSpec(spec);
  if (typeof value === "string") return formatText(value, read);
  const plain = typeof value === "boolean" ? BigInt(value) : value;
  return formatNumber(plain, read);
}

function readSpec(spec: string): Spec {
  const match = /^(?:([^])?([<>=^]))?([-+ ]?)(z?)(#?)(0?)(\d*)([,_]?)(?:\.(\d+))?([a-zA-Z%]?)$/u.exec(spec);
  if (match === null) throw new TemplateError("value", `Invalid format specifier '${spec}'`);
  const [, fill, align = "", sign, negative, alternate, zero, width, group, precision, type] = match;
  if (negative !== "") throw unsupported(`the format '${spec}'`);
  if (Number(width) > 1e6 || Number(precision) > 1e6) {
    throw new TemplateError("limit", `the format '${spec}': expected a width of at most a million`);
  }
  return {
    ...{
      fill: fill ?? (zero === "" ? " " : "0"),
      align,
      sign,
      zero,
      alternate: alternate !== "",
      group,
      type,
    },
    ...{ width: Number(width), precision: precision === undefined ? undefined : Number(precision) },
  };
}

function formatText(text: string, spec: Spec): string {
  if (spec.type !== "" && spec.type !== "s") throw unknown(spec.type, "str");
  if (spec.sign !== "") throw new TemplateError("value", "Sign not allowed in string format specifier");
  if (spec.alternate) {
    throw new TemplateError("value", "Alternate form (#) not allowed in string format specifier");
  }
  if (spec.align === "=") {
    throw new TemplateError("value", "'=' alignment not allowed in string format specifier");
  }
  if (spec.group !== "") throw new TemplateError("value", `Cannot specify '${spec.group}' with 's'.`);
  const cut = spec.precision === undefined ? text : Array.from(text).slice(0, spec.precision).join("");
  return pad(cut, spec.width, asAlign(spec.align || "<"), spec.fill);
}

function asAlign(align: string): "<" | ">" | "^" {
  return align === "<" || align === "^" ? align : ">";
}

function unknown(type: string, of: string): TemplateError {
  return new TemplateError("value", `Unknown format code '${type}' for object of type '${of}'`);
}

function formatNumber(value: bigint | number, spec: Spec): string {
  const { type, sign, group } = spec;
  if (type === "n") throw unsupported("the format 'n'");
  const whole = typeof value === "bigint" && /^[bcdoxX]?$/.test(type);
  if (!whole && !/^[eEfFgG%]?$/.test(type)) throw unknown(type, typeof value === "bigint" ? "int" : "float");
  if (type === "c") return formatCharacter(value, spec);
  const [prefix, body] = whole ? integerBody(value, spec) : ["", floatBody(Number(value), spec)];
  const negative = typeof value === "bigint" ? value < 0n : value < 0 || Object.is(value, -0);
  const front = (negative ? "-" : sign === "-" ? "" : sign) + prefix;
  const grouped = group === ""
    ? body
    : groupDigits(body, group, /^[boxX]$/.test(type) ? 4 : 3, spec, front.length);
  const align = spec.align || (spec.zero === "" ? ">" : "=");
  if (align !== "=") return pad(front + grouped, spec.width, asAlign(align), spec.fill);
  return front + pad(grouped, spec.width - front.length, ">", spec.fill);
}

function formatCharacter(value: bigint | number, spec: Spec): string {
  const code = Number(value);
  if (spec.sign !== "" || spec.precision !== undefined || spec.group !== "" || spec.alternate) {
    throw unsupported("a format 'c' with more than a width");
  }
  if (code < 0 || code > 0x10ffff) throw new TemplateError("overflow", "%c arg not in range(0x110000)");
  return pad(String.fromCodePoint(code), spec.width, asAlign(spec.align || "<"), spec.fill);
}

function integerBody(value: bigint | number, { type, precision, alternate, group }: Spec): [string, string] {
  if (precision !== undefined) {
    throw new TemplateError("value", "Precision not allowed in integer format specifier");
  }
  if (group === "," && /^[boxX]$/.test(type)) {
    throw new TemplateError("value", `Cannot specify ',' with '${type}'.`);
  }
  const size = BigInt(value) < 0n ? -BigInt(value) : BigInt(value);
  return [alternate && /^[boxX]$/.test(type) ? `0${type}` : "", integerDigits(size, type)];
}

function floatBody(value: number, { type, precision, alternate }: Spec): string {
  if (type === "%") return percentage(value, precision ?? 6, alternate);
  if (type !== "") return floatDigits(value, type, precision ?? 6, alternate);
  if (!Number.isFinite(value) || precision === undefined) {
    if (alternate) throw unsupported("the format '#' without a type");
    return floatText(Math.abs(value));
  }
  return general(Math.abs(value), precision || 1, alternate, true);
}

/** Digits in groups; zeros that fill the width are grouped with them. */
function groupDigits(body: string, group: string, size: number, spec: Spec, front: number): string {
  const [, whole, rest] = /^([0-9a-fA-F]*)([^]*)$/.exec(body) ?? ["", body, ""];
  const split = (digits: string) => digits.replace(new RegExp(`(?<=.)(?=(?:.{${size}})+$)`, "g"), group);
  let digits = whole;
  if (whole !== "" && spec.fill === "0" && (spec.align === "=" || spec.align === "" && spec.zero !== "")) {
    while (front + split(digits).length + rest.length < spec.width) digits = `0${digits}`;
  }
  return split(digits) + rest;
}
