/** Python's numbers: `bigint` is its int, `number` its float. */
import { spend, TemplateError, unsupported } from "../error.ts";
import { strip } from "./text.ts";

/** A number of Python. */
export type Numeric = bigint | number;

/** Longest integer, in bits. */
const bitLimit = 1 << 14;

/** `repr` of a float: the shortest digits that give it back. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const { sign, digits, exponent } = shortest(value);
  if (exponent < -4 || exponent >= 16) return sign + scientific(digits, exponent);
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/** The shortest decimal digits of a finite number and the power of ten of the first. */
export function shortest(value: number): { sign: string; digits: string; exponent: number } {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (value === 0) return { sign, digits: "0", exponent: 0 };
  const [mantissa, exponent] = Math.abs(value).toExponential().split("e");
  return { sign, digits: mantissa.replace(".", ""), exponent: Number(exponent) };
}

function scientific(digits: string, exponent: number): string {
  const rest = digits.slice(1), size = String(Math.abs(exponent)).padStart(2, "0");
  return `${digits[0]}${rest && `.${rest}`}e${exponent < 0 ? "-" : "+"}${size}`;
}

/**
 * The exact value of a finite `|value|` times `10**places`, rounded half to even.
 */
export function scaled(value: number, places: number): bigint {
  const { numerator, power } = exact(Math.abs(value));
  spend(20 + Math.abs(places) + Math.abs(power) / 8);
  let top = numerator, bottom = 1n;
  if (power >= 0) top <<= BigInt(power);
  else bottom <<= BigInt(-power);
  if (places >= 0) top *= 10n ** BigInt(places);
  else bottom *= 10n ** BigInt(-places);
  return halfEven(top, bottom);
}

/** `top / bottom` of non-negative integers, rounded half to even. */
function halfEven(top: bigint, bottom: bigint): bigint {
  const quotient = top / bottom, rest = 2n * (top % bottom);
  return rest > bottom || rest === bottom && quotient % 2n === 1n ? quotient + 1n : quotient;
}

function exact(value: number): { numerator: bigint; power: number } {
  let power = 0, whole = value;
  // Doubling and halving are exact.
  while (!Number.isInteger(whole)) {
    whole *= 2;
    power--;
  }
  return { numerator: BigInt(whole), power };
}

/** `round(value, places)` of a float. */
export function roundFloat(value: number, places: number): number {
  if (!Number.isFinite(value) || places > 330) return value;
  if (places < -330) return 0 * value;
  const digits = scaled(value, places);
  const rounded = Number(places > 0 ? decimal(digits, places) : `${digits}e${-places}`);
  return value < 0 || Object.is(value, -0) ? -rounded : rounded;
}

/** Digits with a point before the last `places`. */
export function decimal(digits: bigint, places: number): string {
  if (places <= 0) return String(digits);
  const text = String(digits).padStart(places + 1, "0");
  return `${text.slice(0, -places)}.${text.slice(-places)}`;
}

/** An integer as a float. */
export function toFloat(value: Numeric): number {
  const float = Number(value);
  if (typeof value === "bigint" && !Number.isFinite(float)) {
    throw new TemplateError("overflow", "int too large to convert to float");
  }
  return float;
}

/** A float without its fraction. */
export function truncate(value: Numeric): bigint {
  if (typeof value === "bigint") return value;
  if (Number.isNaN(value)) throw new TemplateError("value", "cannot convert float NaN to integer");
  if (!Number.isFinite(value)) {
    throw new TemplateError("overflow", "cannot convert float infinity to integer");
  }
  return BigInt(Math.trunc(value));
}

/** The order of two numbers: negative, 0, positive; NaN where there is none. */
export function compareNumbers(a: Numeric, b: Numeric): number {
  return a < b ? -1 : a > b ? 1 : a == b ? 0 : NaN;
}

function checked(value: bigint): bigint {
  if (value > 1n << BigInt(bitLimit) || -value > 1n << BigInt(bitLimit)) {
    throw new TemplateError("limit", `an integer of more than ${bitLimit} bits`);
  }
  return value;
}

/** `a op b` for Python's arithmetic on numbers. */
export function arithmetic(op: string, a: Numeric, b: Numeric): Numeric {
  spend(1);
  if (typeof a === "bigint" && typeof b === "bigint") return integers(op, a, b);
  return floats(op, toFloat(a), toFloat(b));
}

function integers(op: string, a: bigint, b: bigint): Numeric {
  if (op === "+") return checked(a + b);
  if (op === "-") return checked(a - b);
  if (op === "*") return checked(a * b);
  if (op === "**") return power(a, b);
  if (b === 0n) throw new TemplateError("zero", "division by zero");
  if (op === "/") return divide(a, b);
  const quotient = a / b, rest = a % b, below = rest !== 0n && (rest < 0n) !== (b < 0n);
  return op === "//" ? (below ? quotient - 1n : quotient) : (below ? rest + b : rest);
}

function divide(a: bigint, b: bigint): number {
  const limit = 2n ** 53n, size = (n: bigint) => n < 0n ? -n : n;
  if (size(a) <= limit && size(b) <= limit) return Number(a) / Number(b);
  throw unsupported("true division of integers beyond 2**53");
}

function power(base: bigint, exponent: bigint): Numeric {
  const bits = (base < 0n ? -base : base).toString(2).length;
  if (exponent >= 0n) {
    if (exponent * BigInt(bits) > BigInt(bitLimit) && bits > 1) {
      throw new TemplateError("limit", `an integer of more than ${bitLimit} bits`);
    }
    return base ** exponent;
  }
  if (base === 0n) throw new TemplateError("zero", "0.0 cannot be raised to a negative power");
  return divide(1n, BigInt(truncate(power(base, -exponent))));
}

function floats(op: string, a: number, b: number): number {
  if (op === "+") return a + b;
  if (op === "-") return a - b;
  if (op === "*") return a * b;
  if (op === "**") return floatPower(a, b);
  if (b === 0) throw new TemplateError("zero", op === "/" ? "float division by zero" : "float modulo");
  return op === "/" ? a / b : op === "//" ? floorDivide(a, b) : modulo(a, b);
}

/** Powers whose value does not depend on a mathematical library. */
function floatPower(a: number, b: number): number {
  if (b === 0 || a === 1) return 1;
  if (Number.isInteger(a) && Number.isInteger(b) && Math.abs(a) < 2 ** 53) {
    const result = Number(power(BigInt(a), BigInt(b)));
    if (Number.isSafeInteger(result) || b < 0) return result;
  }
  if (b === 0.5 && a >= 0) return Math.sqrt(a);
  if (b === 1) return a;
  throw unsupported(`the power ${a} ** ${b}`);
}

function modulo(a: number, b: number): number {
  const rest = a % b;
  if (rest === 0) return b < 0 ? -0 : 0;
  return (rest < 0) !== (b < 0) ? rest + b : rest;
}

function floorDivide(a: number, b: number): number {
  const rest = a % b;
  let quotient = (a - rest) / b;
  if (rest !== 0 && (rest < 0) !== (b < 0)) quotient -= 1;
  if (quotient === 0) return Object.is(a / b, -0) || a / b < 0 ? -0 : 0;
  const floor = Math.floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

/** `int(text, base)`. */
export function parseInteger(text: string, base = 10): bigint {
  const refuse = () =>
    new TemplateError("value", `invalid literal for int() with base ${base}: '${text.slice(0, 40)}'`);
  if (base !== 0 && (base < 2 || base > 36)) {
    throw new TemplateError("value", "int() base must be >= 2 and <= 36, or 0");
  }
  refuseDigits(text);
  const [, sign, body] = /^([+-]?)([0-9a-z]+(?:_[0-9a-z]+)*)$/i.exec(strip(text, undefined, "both")) ?? [];
  if (body === undefined) throw refuse();
  const [, letter, rest] = /^0([box])_?(.+)$/i.exec(body) ?? [];
  const named = { b: 2, o: 8, x: 16 }[letter?.toLowerCase()];
  const prefixed = named !== undefined && (base === 0 || base === named);
  const digits = (prefixed ? rest : body).replaceAll("_", ""), radix = prefixed ? named : base || 10;
  if (base === 0 && !prefixed && /^0+[1-9]/.test(digits)) throw refuse();
  if (digits.length > 1000) throw new TemplateError("limit", "an integer of more than 1000 digits");
  let value = 0n;
  for (const digit of digits) {
    const one = parseInt(digit, 36);
    if (!(one < radix)) throw refuse();
    value = value * BigInt(radix) + BigInt(one);
  }
  return sign === "-" ? -value : value;
}

function refuseDigits(text: string): void {
  if (/(?![0-9])\p{Nd}/u.test(text)) throw unsupported("digits that are not ASCII");
}

/** `float(text)`. */
export function parseFloatText(text: string): number {
  const plain = strip(text, undefined, "both").toLowerCase();
  refuseDigits(plain);
  const named = /^([+-]?)(inf|infinity|nan)$/.exec(plain);
  if (named !== null) return (named[1] === "-" ? -1 : 1) * (named[2] === "nan" ? NaN : Infinity);
  if (!/^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/.test(plain)) {
    throw new TemplateError("value", `could not convert string to float: '${text.slice(0, 40)}'`);
  }
  return Number(plain.replaceAll("_", ""));
}
