/** The schemes of the rows of QuaRot's and SpinQuant's tables: weights, activations and cache in few bits, rotated or not. */
import { gptq } from "../../quant/methods/gptq.ts";
import { quarot } from "../../quant/methods/quarot.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { smoothQuant } from "../../quant/methods/smoothquant.ts";
import { spinquant } from "../../quant/methods/spinquant.ts";
import type { Claim } from "./files.ts";
import { quikScheme } from "./quik.ts";

/** The scheme of a row; null where its method is not here, or keeps other outliers. */
export function rotationScheme(claim: Claim): Scheme | null {
  const { method, settings } = claim;
  if (method === "FP16") return {};
  const bits = (name: string) => Number(settings[name] ?? 16);
  const weights = bits("bits_w"), activations = bits("bits_a"), cache = bits("bits_kv");
  const groupSize = Number(settings.groupsize ?? -1);
  const compensated = gptq({
    bits: weights,
    groupSize,
    symmetric: true,
    search: "mse",
    trueSequential: true,
  });
  const nearest = rtn({ bits: weights, groupSize, symmetric: true, search: "mse" });
  // Activations of QuaRot are symmetric and clipped, those of SpinQuant asymmetric.
  const rotated = method?.startsWith("QuaRot");
  const range = rotated ? { symmetric: true, clip: 0.9 } : {}, groups = groupSize > 0 ? { groupSize } : {};
  const keys = rtn({ bits: Math.min(cache, 8), granularity: "token", ...rotated && { clip: 0.95 } });
  const rounded = {
    ...activations < 16 && {
      activations: rtn({
        bits: activations,
        ...groups,
        ...groupSize > 0 ? {} : { granularity: "token" as const },
        ...range,
      }),
    },
    ...cache < 16 && { key: keys, value: { ...keys, zeroInRange: false } },
  };
  switch (method) {
    case "RTN":
      return { weights: nearest, ...rounded };
    case "GPTQ":
      return { weights: compensated, ...rounded };
    case "SmoothQuant":
      return { transforms: [smoothQuant()], weights: nearest, ...rounded };
    case "QuaRot":
    case "QuaRot-GPTQ":
      return { transforms: [quarot()], weights: compensated, ...rounded };
    case "QuaRot-RTN":
      return { transforms: [quarot()], weights: nearest, ...rounded };
    case "SpinQuant":
    case "SpinQuant-GPTQ":
    case "SpinQuant-RTN":
      return {
        transforms: [spinquant({ keys: cache < 16, activationBits: activations, cacheBits: cache })],
        weights: method.endsWith("RTN") ? nearest : compensated,
        ...rounded,
      };
    case "QUIK-4B": {
      const kept = quikScheme(claim), { activations: _, ...caches } = rounded;
      return kept && { ...kept, ...caches };
    }
    default:
      return null;
  }
}
