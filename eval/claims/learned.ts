/** The schemes of the rows of tables on methods that learn. */
import { type Abq, abq } from "../../quant/methods/abq.ts";
import { type Affine, affine } from "../../quant/methods/affine.ts";
import { awq } from "../../quant/methods/awq.ts";
import { gptq } from "../../quant/methods/gptq.ts";
import { type OmniQuant, omniquant } from "../../quant/methods/omniquant.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { smoothQuant } from "../../quant/methods/smoothquant.ts";
import type { Scheme } from "../../quant/scheme.ts";
import type { Claim } from "./files.ts";

/** A method that rounds what runs as its own training assumes. */
function everywhere(own: OmniQuant | Abq | Affine): Scheme {
  if (own.activationBits === 16) return { weights: own };
  return { weights: own, activations: own, query: own, key: own, value: own };
}

/** The scheme of a row whose settings are `{ bits_w, bits_a, groupsize_w }`; null where its method is not here. */
export function learnedScheme({ method, settings }: Claim): Scheme | null {
  const bits = Number(settings.bits_w), activationBits = Number(settings.bits_a);
  const groupSize = Number(settings.groupsize_w);
  switch (method) {
    case "FP16":
      return {};
    case "RTN":
      return { weights: rtn({ bits, groupSize }) };
    case "GPTQ":
      return { weights: gptq({ bits, groupSize }) };
    case "AWQ":
      return { weights: awq({ bits, groupSize }) };
    case "SmoothQuant":
      return {
        transforms: [smoothQuant()],
        weights: rtn({ bits, groupSize }),
        activations: rtn({ bits: activationBits, granularity: "token" }),
      };
    case "OmniQuant": {
      // The scripts of the code: 20 passes, 40 with 2 bits, and a second target for groups of 2 bits.
      const options = { bits, groupSize, activationBits, epochs: bits === 2 ? 40 : 20 };
      return everywhere(omniquant({ ...options, augmented: bits === 2 && groupSize > 0 }));
    }
    case "ABQ-LLM": {
      const options = { bits, groupSize, activationBits, epochs: bits === 2 ? 40 : 20 };
      return everywhere(abq({ ...options, balanced: settings.bit_balance === true }));
    }
    case "AffineQuant": {
      const rounded = activationBits < 16, options = { bits, groupSize, activationBits };
      // The scripts of the code: matrices behind norms for weights alone, of queries and keys beside activations.
      return everywhere(
        rounded
          ? affine({ ...options, mixQueries: true, augmented: true, stability: 0.1 })
          : affine({ ...options, mixChannels: true, stability: 1 }),
      );
    }
    default:
      return null;
  }
}
