/** Schemes that compute what the original code's LUT-GEMM runs computed; oracle values belong to these. */
import { type Bcq, bcq, type BcqOptions } from "../../../quant/methods/bcq.ts";
import type { Scheme } from "../../../quant/scheme.ts";

/** The linear layers that the original code finds by name: in OPT models only queries, keys and values. */
export function bcqRoles(model: string): Bcq["roles"] {
  return model.includes("opt") ? ["q", "k", "v"] : ["q", "k", "v", "o", "gate", "up", "down"];
}

/** The oracle's results on binary coding for a fixture model, and the schemes that reproduce them, by id. */
export function bcqSchemes(model: string): Map<string, Scheme> {
  const schemes = new Map<string, Scheme>();
  const roles = bcqRoles(model);
  const add = (id: string, options: BcqOptions) =>
    schemes.set(`bcq-${id}`, { weights: bcq({ roles, ...options }) });
  for (const bits of [2, 3, 4]) {
    for (const groupSize of [-1, 128]) {
      for (const rounds of [0, 1, 5, 30]) {
        add(`${bits}-${groupSize < 0 ? "pc" : `g${groupSize}`}-r${rounds}`, { bits, groupSize, rounds });
      }
    }
  }
  add("3-g32-r30", { bits: 3, groupSize: 32 });
  add("rtn4-pc (rtn=true)", { bits: 4, fit: "nearest" });
  return schemes;
}
