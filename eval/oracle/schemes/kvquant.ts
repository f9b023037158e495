/** Schemes that compute what KVQuant's reference code computed; oracle values belong to these. */
import { kvquant, type KvQuantOptions } from "../../../quant/methods/kvquant.ts";
import type { Scheme } from "../../../quant/scheme.ts";

/** The oracle's results on KVQuant, and the schemes that reproduce them, by id. */
export function kvquantSchemes(): Map<string, Scheme> {
  const schemes = new Map<string, Scheme>();
  // The reference calibrates on all tokens, also on those that it will not quantize.
  const reference = { calibrationTokens: "all", storage: "float32", execution: "simulated" } as const;
  const add = (id: string, options: KvQuantOptions) =>
    schemes.set(id, { kv: kvquant({ ...reference, ...options }) });
  for (const bits of [4, 3, 2]) {
    add(`kvquant-${bits}-nuq-1pct`, { bits });
    add(`kvquant-${bits}-nuq-1pct-fp16`, { bits, storage: "float16" });
    add(`kvquant-${bits}-uniform-1pct`, { bits, nonUniform: false });
    // The reference protects first tokens by calling them outliers, which it does not look for without sparsity.
    add(`kvquant-${bits}-uniform-0pct`, { bits, nonUniform: false, sparsity: 0, firstTokens: 0 });
  }
  add("kvquant-2-nuq-1pct-nofisher", { bits: 2, weighting: "none" });
  add("kvquant-4-nuq-1pct-ff-1", { bits: 4, firstTokens: 0 });
  return schemes;
}
