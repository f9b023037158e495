/** The methods as a list to be read: what each can fill, what it accepts, where it was published; made of the tables that the builders read. */
import type { Method, Paper, SchemePart } from "../method.ts";
import { registeredMethods } from "../registry.ts";
import { shortOption } from "./part.ts";

/** A method in the list. */
export interface CatalogueEntry {
  /** Its name in schemes. */
  readonly name: string;
  /** Where it was published. */
  readonly paper?: Paper;
  /** The parts of a scheme that it can fill. */
  readonly fills: readonly string[];
  /** Whether it looks at a calibration text, for some scheme at least. */
  readonly calibrates: boolean;
  /** The option that a value alone stands for: `gptq:4`. */
  readonly short: string;
  /** What it accepts, in the order in which a scheme holds it. */
  readonly options: readonly CatalogueOption[];
}

/** An option of a method. */
export interface CatalogueOption {
  /** Its name. */
  readonly name: string;
  /** What it accepts, in words. */
  readonly expected: string;
  /** The value where none is given; absent where there is no such value. */
  readonly fallback?: unknown;
  /** Whether it must be given. */
  readonly required: boolean;
}

const fills: readonly (readonly [SchemePart, string])[] = [
  ["transform", "transforms"],
  ["sparsity", "sparsity"],
  ["weights", "weights"],
  ["operand", "activations"],
  ["linears", "linears"],
  ["kv", "kv"],
];

/**
 * All methods, those of the suite first.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const gptq = catalogue().find(({ name }) => name === "gptq");
 * assertEquals(gptq?.fills, ["weights"]);
 * assertEquals(gptq?.options.find(({ name }) => name === "percdamp")?.fallback, 0.01);
 * ```
 */
export function catalogue(): CatalogueEntry[] {
  return registeredMethods().map((method) => ({
    name: method.name,
    ...method.paper && { paper: method.paper },
    fills: fills.filter(([part]) => method[part] !== undefined).map(([, name]) => name),
    calibrates: calibrates(method),
    short: shortOption(method),
    options: Object.entries(method.options ?? {}).map(([name, { expected, fallback, optional }]) => ({
      name,
      expected,
      ...fallback !== undefined && { fallback },
      required: fallback === undefined && optional !== true,
    })),
  }));
}

function calibrates({ cost, weights, sparsity, operand }: Method): boolean {
  const looks = [weights, sparsity].some((part) =>
    part !== undefined && (part.needs !== "nothing" || !!part.calibrate || !!part.prepare)
  );
  return cost?.calibrates === true || looks || !!operand?.calibrate;
}
