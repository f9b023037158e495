/** What a cell will take on a device: the work of `work.ts` at the rates of the device's profile. */
import { fixture } from "../base/fixture.ts";
import { readText } from "../base/file.ts";
import { QuantbookError } from "../base/error.ts";
import type { Architecture } from "../model/architecture.ts";
import { isJsonObject, parseJson } from "../base/json.ts";
import type { Execution } from "../quant/weights/linear.ts";
import type { Scheme } from "../quant/scheme.ts";
import { predictBytes } from "./cost/memory.ts";
import { quantizingWork, scoringWork, type WindowLengths, type Work } from "./cost/work.ts";

/** What a cell is expected to take. */
export interface Cost {
  /** Time of quantization and evaluation. */
  readonly seconds: number;
  /** Most bytes on the device. */
  readonly bytes: number;
}

/** There is no such profile of a device, or it is not one: code `"profile"`. */
export class CostError extends QuantbookError {
  /** What went wrong, stable across releases. */
  declare readonly code: "profile";
}

/** How fast a device is. */
export interface DeviceProfile {
  /** What was measured, or assumed. */
  readonly description: string;
  /** Seconds per unit of each kind of work. */
  readonly seconds: Readonly<Record<string, number>>;
}

/**
 * Reads the profile of a device: `cpu`, `gpu`, or the path of a JSON file.
 *
 * @throws {CostError} `profile`, when there is none, or it is not one
 */
export async function loadProfile(name: string): Promise<DeviceProfile> {
  let path = name, value: unknown;
  try {
    if (!name.endsWith(".json")) path = await fixture(`devices/${name}.json`);
    value = parseJson(await readText(path));
  } catch (cause) {
    throw new CostError(
      "profile",
      `no profile of the device ${name}: ${cause instanceof Error ? cause.message : cause}`,
      {
        cause,
      },
    );
  }
  const { description, seconds } = isJsonObject(value) ? value : {};
  const rates = isJsonObject(seconds) ? Object.entries(seconds) : [];
  const wrong = rates.find(([, rate]) => !(typeof rate === "number" && rate >= 0 && rate < Infinity));
  if (typeof description === "string" && rates.length > 0 && wrong === undefined) {
    return { description, seconds: Object.fromEntries(rates as [string, number][]) };
  }
  const what = wrong === undefined ? "description or seconds is missing" : `seconds has ${wrong.join(" ")}`;
  throw new CostError("profile", `${path}: ${what}: expected a text, and seconds per unit by kind of work`);
}

/**
 * Time and memory of a cell. Kinds of work that the profile does not know take as long as its slowest of that sort. Not in
 * it: the float model's own predictions, which each process makes once per model, and what the host holds beside the
 * device, about 0.3 GB and 4 bytes per predicted log-probability.
 *
 * @example
 * ```ts
 * import { gptq } from "quantbook";
 * import { publishedArchitecture } from "quantbook/claims";
 * import { loadProfile, predictCost } from "quantbook/eval";
 * import { assert } from "@std/assert";
 *
 * const architecture = publishedArchitecture("OPT-125M");
 * const texts = { windows: [2048, 2048], calibration: [2048], execution: "simulated" as const };
 * const cpu = await loadProfile("cpu");
 * const cost = architecture && predictCost(architecture, { weights: gptq({ bits: 4 }) }, texts, cpu);
 * assert(cost && cost.seconds > 10 && cost.bytes > 2 * 4 * 85e6);
 * ```
 */
export function predictCost(
  architecture: Architecture,
  scheme: Scheme,
  { execution, ...texts }: WindowLengths & { readonly execution: Execution },
  profile: DeviceProfile,
): Cost {
  return {
    seconds: predictSeconds(quantizingWork(architecture, scheme, texts), profile) +
      predictSeconds(scoringWork(architecture, scheme, texts), profile),
    bytes: predictBytes(architecture, scheme, texts, execution),
  };
}

/** The time that work takes. */
export function predictSeconds(work: Work, { seconds }: DeviceProfile): number {
  return Object.entries(work).reduce((sum, [kind, amount]) => sum + amount * rateOf(kind, seconds), 0);
}

/** A method that nobody has measured, such as a user's own, counts as the slowest that was. */
function rateOf(kind: string, seconds: DeviceProfile["seconds"]): number {
  if (Object.hasOwn(seconds, kind)) return seconds[kind];
  const sort = kind.replace(/\..*/, ".");
  const relatives = Object.keys(seconds).filter((name) => name.startsWith(sort));
  if (relatives.length === 0) {
    throw new CostError("profile", `the device's profile has no seconds for ${kind} nor anything like it`);
  }
  return Math.max(...relatives.map((name) => seconds[name]));
}
