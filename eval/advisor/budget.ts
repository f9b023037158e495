/** How much a model may take: in bytes as `sizes` counts them, in bits per weight, or as little as a largest divergence allows. */
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
    /**
     * Bits per weight, scales and zero points included, of what is rounded: the linear layers, as papers count them, and the ends of the
     * decoder where these have candidates.
     */
    readonly bitsPerWeight: number;
  }
  | {
    /**
     * The largest mean KL(float || model), in nats per token: the model takes as few bytes as it can while the divergence on the scoring
     * text, with the upper limit of Student's interval (95 %, one-sided, windows independent), is not above it.
     */
    readonly divergence: number;
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
 * A budget from its text: a number and `B`, `kB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`, `GiB` (of 1024), `bpw`, bits per weight, or
 * `nats`, a largest divergence per token.
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
 * assertEquals(readBudget("0.05nats"), { divergence: 0.05 });
 * ```
 */
export function readBudget(text: string): Budget {
  const found = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
  const value = Number(found?.[1]), unit = found?.[2] ?? "";
  if (unit === "bpw") return checkedBudget({ bitsPerWeight: value });
  if (unit === "nats") return checkedBudget({ divergence: value });
  if (!Object.hasOwn(units, unit)) {
    throw new AdvisorError(
      "budget",
      `budget is ${show(text)}: expected such as 900MB (${
        Object.keys(units).join(", ")
      }), 4.5bpw or 0.05nats`,
    );
  }
  return checkedBudget({ bytes: Math.floor(value * units[unit]) });
}

/** The budget, if it is one. */
export function checkedBudget(budget: Budget): Budget {
  const kinds = ["bytes", "bitsPerWeight", "divergence"] as const;
  const given = Object.entries(budget ?? {});
  const [[name, value] = ["", undefined], ...others] = given;
  if (others.length > 0 || !kinds.some((kind) => kind === name)) {
    throw new AdvisorError("budget", `budget is ${show(budget)}: expected one of ${kinds.join(", ")}`);
  }
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return budget;
  throw new AdvisorError("budget", `budget.${name} is ${show(value)}: expected a number above 0`);
}

/**
 * Bytes that the whole model may take; what is not rounded takes what it takes in the float model. Infinite for a largest divergence.
 *
 * @param rounded what has candidates: its size in the float model
 */
export function bytesOf(
  budget: Budget,
  { model }: Pick<Sizes, "model">,
  rounded: Sizes["linear"],
): number {
  if ("divergence" in budget) return Infinity;
  if ("bytes" in budget) return Math.floor(budget.bytes);
  return Math.floor(budget.bitsPerWeight * rounded.weights / 8) + model.bytes - rounded.bytes;
}
