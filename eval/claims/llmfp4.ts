/** The schemes of the rows of LLM-FP4's table: floats of 4 bits for embedding, weights and activations. */
import { llmFp4 } from "../../quant/methods/llmfp4.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { smoothQuant } from "../../quant/methods/smoothquant.ts";
import type { Claim } from "./files.ts";

/**
 * The scheme of a row, with the arithmetic of the code that printed it; null where the README does not say how ranges were found
 * (`MinMax INT`), and of training (LLM-QAT).
 */
export function llmFp4Scheme({ method, settings }: Claim): Scheme | null {
  const [embeddingBits, bits, activationBits] = String(settings.bits).split("/").map(Number);
  const searched = (search: "channel" | "tensor" | "none"): Scheme => ({
    linears: llmFp4({ bits, activationBits, embeddingBits, search, arithmetic: "original" }),
  });
  switch (method) {
    case "FP16":
      return {};
    case "MinMax FP (E2M1)":
      return searched("none");
    case "FPQ baseline":
      return searched("tensor");
    case "FPQ":
      return searched("channel");
    case "SmoothQuant":
      return {
        transforms: [smoothQuant()],
        weights: rtn({ bits, symmetric: true }),
        activations: rtn({ bits: activationBits, granularity: "token", symmetric: true }),
      };
    default:
      return null;
  }
}
