/** Errors of building, reading and applying quantization schemes. */
import { QuantbookError } from "../base/error.ts";

/**
 * A scheme is wrong in itself or does not fit the model. Codes: `"method"` (unknown method), `"option"` (value not
 * accepted), `"combination"` (parts that exclude each other), `"shape"` (does not fit a layer), `"pair"` (a norm and
 * linear pair is missing), `"calibration"` (missing or too little), `"values"` (NaN or infinite), `"hessian"`.
 */
export class SchemeError extends QuantbookError {}

/** Throws unless `value` is an integer within bounds. */
export function requireInteger(
  name: string,
  value: unknown,
  least: number,
  most: number,
): asserts value is number {
  if (!(typeof value === "number" && Number.isInteger(value) && value >= least && value <= most)) {
    throw new SchemeError(
      "option",
      `${name} is ${Deno.inspect(value)}: expected an integer from ${least} to ${most}`,
    );
  }
}

/** Throws unless `value` is a number within bounds. */
export function requireNumber(
  name: string,
  value: unknown,
  least: number,
  most: number,
): asserts value is number {
  if (!(typeof value === "number" && value >= least && value <= most)) {
    throw new SchemeError(
      "option",
      `${name} is ${Deno.inspect(value)}: expected a number from ${least} to ${most}`,
    );
  }
}

/** Throws unless `value` is one of the accepted ones. */
export function requireOneOf<T extends string | boolean>(
  name: string,
  value: unknown,
  accepted: readonly T[],
): asserts value is T {
  if (!accepted.some((one) => one === value)) {
    const list = accepted.map((one) => JSON.stringify(one)).join(", ");
    throw new SchemeError("option", `${name} is ${Deno.inspect(value)}: expected one of ${list}`);
  }
}

/** Throws if an options object has a key that the method does not know. */
export function requireKnown(method: string, options: object, accepted: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (!accepted.includes(key)) {
      throw new SchemeError(
        "option",
        `${method} has no option ${JSON.stringify(key)}: expected ${accepted.join(", ")}`,
      );
    }
  }
}
