/** Schemes that compute what SpQR's original code computed; oracle values belong to these. */
import type { Scheme } from "../../../quant/scheme.ts";
import { spqr, type SpqrOptions } from "../../../quant/methods/spqr.ts";

/** The oracle's results on SpQR and the schemes that reproduce them, by id: float32 where the paper stores float16. */
export function spqrSchemes(): Map<string, Scheme> {
  const four = { bits: 3 }, three = { bits: 2, groupSize: 32, outlierThreshold: 0.5 };
  const runs: [string, SpqrOptions][] = [
    ["spqr-3-g16-q3-16-t.25", four],
    ["spqr-2-g32-q3-16-t.5", three],
    ["spqr-3-g16-q3-16-noout", { ...four, outlierThreshold: null }],
    ["spqr-2-g32-q3-16-noout", { ...three, outlierThreshold: null }],
    ["spqr-3-g16-q3-16-t.25-noact", { ...four, actOrder: false }],
    ["spqr-3-g16-q3-16-t.25-simplified", { ...four, leaveOneOut: false }],
    ["spqr-4-g16-q4-16-t.2", { bits: 4, scaleBits: 4, zeroBits: 4, outlierThreshold: 0.2 }],
  ];
  return new Map(runs.map(([id, options]) => [id, { weights: spqr({ ...options, precision: "float32" }) }]));
}
