/** Schemes that compute what bitsandbytes computed in the original code's LLM.int8() runs; oracle values belong to these. */
import { llmInt8 } from "../../../quant/methods/llmint8.ts";
import type { Scheme } from "../../../quant/scheme.ts";

/**
 * The oracle's results on LLM.int8() with a float32 model, and the schemes that reproduce them, by id. Its `-fp16` ids
 * are runs of a float16 model, which rounds every activation; nothing here computes that.
 */
export function llmInt8Schemes(): Map<string, Scheme> {
  return new Map([6, 2, 1, 0].map((threshold) => [
    `int8-t${threshold.toFixed(1)}-fp32`,
    { linears: llmInt8({ threshold }) },
  ]));
}
