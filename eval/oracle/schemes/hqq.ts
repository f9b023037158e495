/** Schemes that compute what the original code's HQQ runs computed. */
import { hqq, type HqqOptions } from "../../../quant/methods/hqq.ts";
import type { GoldenReader } from "./golden.ts";

/** Changes to the default solver, as an id's `solver` may say them. */
const knobs = { lp_norm: "norm", beta: "beta", kappa: "kappa", iters: "iterations" } as const;

/** `{ bits, group, axis, opt, rz, solver, meta16 }`. */
export const readHqq: GoldenReader = ({ config }) => {
  const { bits, group, axis, opt, rz, solver, meta16 } = config as {
    readonly bits: number;
    readonly group: number | null;
    readonly axis?: 0 | 1;
    readonly opt?: boolean;
    readonly rz?: boolean;
    readonly solver?: "v2" | "slow" | Readonly<Partial<Record<keyof typeof knobs, number>>>;
    readonly meta16?: boolean;
  };
  const options: HqqOptions = {
    bits,
    ...group !== null && { groupSize: group },
    ...axis !== undefined && { axis },
    ...rz !== undefined && { roundZero: rz },
    ...opt === false && { solver: "none" },
    ...solver === "v2" && { solver },
    ...solver === "slow" && { solver: "v2", iterations: 100, earlyStop: false },
    ...typeof solver === "object" && Object.fromEntries(
      Object.entries(solver).map(([name, value]) => [knobs[name as keyof typeof knobs] ?? name, value]),
    ),
    ...meta16 && { precision: "float16" },
  };
  return { scheme: { weights: hqq(options) }, calibrationWindows: 0 };
};
