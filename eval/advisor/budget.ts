/** How much a model may take: in bytes as `sizes` counts them, or in bits per weight of its linear layers. */
import { show } from "../../base/show.ts";
import type { Sizes } from "../../quant/weights/sizes.ts";
import { AdvisorError } from "./error.ts";

/** What a model may take. */
export type Budget =
  | {
    /** Bytes of the whole model, embedding and norms included, as `sizes(model).model` counts them. */
    readonly bytes: number;
  }
  | {
    /** Bits per weight of the linear layers, scales and zero points included, as papers count them. */
    readonly bitsPerWeight: number;
  };

const units: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/**
 * A budget from its text: a number and `B`, `kB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`, `GiB` (of 1024) or `bpw`, bits per weight.
 *
 * @throws {AdvisorError} `budget`
 *
 * @example
 * ```ts
 * import { readBudget } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readBudget("1.5MB"), { bytes: 1_500_000 });
 * assertEquals(readBudget("4.5bpw"), { bitsPerWeight: 4.5 });
 * ```
 */
export function readBudget(text: string): Budget {
  const found = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
  const value = Number(found?.[1]), unit = found?.[2] ?? "";
  if (unit === "bpw") return checkedBudget({ bitsPerWeight: value });
  if (!Object.hasOwn(units, unit)) {
    throw new AdvisorError(
      "budget",
      `budget is ${show(text)}: expected such as 900MB (${Object.keys(units).join(", ")}) or 4.5bpw`,
    );
  }
  return checkedBudget({ bytes: Math.floor(value * units[unit]) });
}

/** The budget, if it is one. */
export function checkedBudget(budget: Budget): Budget {
  const [name, value] = "bytes" in budget ? ["bytes", budget.bytes] : ["bitsPerWeight", budget.bitsPerWeight];
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return budget;
  throw new AdvisorError("budget", `budget.${name} is ${show(value)}: expected a number above 0`);
}

/** Bytes that the whole model may take; what is no linear layer takes what it takes in the float model. */
export function bytesOf(budget: Budget, { linear, model }: Pick<Sizes, "linear" | "model">): number {
  if ("bytes" in budget) return Math.floor(budget.bytes);
  return Math.floor(budget.bitsPerWeight * linear.weights / 8) + model.bytes - linear.bytes;
}
