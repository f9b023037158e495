/** The schemes of the rows of OdysseyLLM's and QQQ's tables (4-bit weights, 8-bit activations) and of MARLIN's (4-bit weights). */
import { awq } from "../../quant/methods/awq.ts";
import { gptq } from "../../quant/methods/gptq.ts";
import { odyssey } from "../../quant/methods/odyssey.ts";
import { qqq } from "../../quant/methods/qqq.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { smoothQuant } from "../../quant/methods/smoothquant.ts";
import type { Scheme } from "../../quant/scheme.ts";
import type { Claim } from "./files.ts";

/** The scheme of a row; null for times. */
export function w4a8Scheme({ method, settings, metric }: Claim): Scheme | null {
  if (metric !== "perplexity" && metric !== "acc") return null;
  const activations = rtn({ bits: 8, granularity: "token", symmetric: true });
  const groupSize = Number(settings.groupsize_w ?? -1);
  switch (method) {
    case "FP16":
      return {};
    case "SmoothQuant":
      return { transforms: [smoothQuant()], weights: rtn({ bits: 8, symmetric: true }), activations };
    case "AWQ":
      return { weights: awq({ bits: 4, groupSize }) };
    case "GPTQ":
      return { weights: gptq({ bits: 4, groupSize }) };
    case "vanilla W4A8":
      return { weights: odyssey({ clipping: "none", compensation: false }), activations };
    case "+LWC":
      return { weights: odyssey({ compensation: false }), activations };
    case "+LWC+GPTQ":
    case "OdysseyLLM":
      return { weights: odyssey(), activations };
    case "QQQ":
      return { weights: qqq({ groupSize }), activations };
    case "GPTQ(MARLIN)": {
      const codes = "offsetBinary", search = "compensated";
      return { weights: gptq({ bits: 4, groupSize, symmetric: true, codes, percdamp: 0.1, search }) };
    }
    default:
      return null;
  }
}
