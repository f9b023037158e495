/** The schemes of the rows of QUIK's tables, and of QUIK in QuaRot's. */
import { quik } from "../../quant/methods/quik.ts";
import type { Scheme } from "../../quant/scheme.ts";
import type { Claim } from "./files.ts";

/** W4A4 with kept columns; Llamas with the down projection in 8 bits where QUIK's own README has it so. Null for other rows. */
export function quikScheme({ method, settings, model, paper }: Claim): Scheme | null {
  if (method === "FP16") return {};
  if (method === null || !method.startsWith("QUIK")) return null;
  const kept = Number(settings.outliers ?? 256), bits = Number(settings.bits_w);
  const weights = quik({ bits, kept, search: "mse" });
  const activations = quik({ bits: Number(settings.bits_a), kept });
  const eight = { ...weights, bits: 8 },
    down = { linears: ["down"] as const, weights: eight, activations: quik({ bits: 8, kept }) };
  return {
    weights,
    activations,
    ...paper === "quik" && model?.startsWith("LLaMA") && { overrides: [down] },
  };
}
