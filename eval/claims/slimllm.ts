/** The schemes of the rows of SliM-LLM's figures: groups of columns, weights alone. */
import { awq } from "../../quant/methods/awq.ts";
import { gptq } from "../../quant/methods/gptq.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { slimLlm } from "../../quant/methods/slimllm.ts";
import type { Scheme } from "../../quant/scheme.ts";
import type { Claim } from "./files.ts";

/** The scheme of a row, with the arithmetic of the code that printed it; null of methods that are not here, and of the criterion that it does not have. */
export function slimLlmScheme({ method, settings }: Claim): Scheme | null {
  const bits = Number(settings.bits_w), groupSize = Number(settings.groupsize_w);
  switch (method) {
    case "FP16":
      return {};
    case "RTN":
      return { weights: rtn({ bits, groupSize }) };
    case "GPTQ":
      return { weights: gptq({ bits, groupSize }) };
    case "AWQ":
      return { weights: awq({ bits, groupSize }) };
    case "SliM-LLM":
      return settings.criterion === "mse"
        ? null
        : { weights: slimLlm({ bits, groupSize, sigma: 2, arithmetic: "original" }) };
    default:
      return null;
  }
}
