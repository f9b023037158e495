/** Schemes that compute what bitsandbytes computed in the original code's LLM.int8() runs; oracle values belong to these. */
import { llmInt8 } from "../quant/llmint8.ts";
import type { Scheme } from "../quant/scheme.ts";

/** The oracle's results on LLM.int8() and the schemes that reproduce them, by id. */
export function llmInt8Schemes(precision: "fp32" | "fp16" = "fp32"): Map<string, Scheme> {
  return new Map(
    [6, 2, 1, 0].map((
      threshold,
    ) => [`int8-t${threshold.toFixed(1)}-${precision}`, { linears: llmInt8({ threshold }) }]),
  );
}
