/** The scheme that a published row describes, in the terms of this suite; for the commands that measure it. */
import { awq } from "../../quant/methods/awq.ts";
import { bcq } from "../../quant/methods/bcq.ts";
import { gptq } from "../../quant/methods/gptq.ts";
import { kivi } from "../../quant/methods/kivi.ts";
import { kvquant } from "../../quant/methods/kvquant.ts";
import { llmInt8 } from "../../quant/methods/llmint8.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { smoothQuant } from "../../quant/methods/smoothquant.ts";
import { spqr } from "../../quant/methods/spqr.ts";
import type { Claim } from "./files.ts";
import { quikScheme } from "./quik.ts";
import { learnedScheme } from "./learned.ts";
import { llmFp4Scheme } from "./llmfp4.ts";
import { rotationScheme } from "./rotation.ts";
import { slimLlmScheme } from "./slimllm.ts";
import { sparsityScheme } from "./sparsity.ts";
import { w4a8Scheme } from "./w4a8.ts";
import { referenceQRazor } from "../oracle/schemes/qrazor.ts";
import { zeroQuantScheme } from "../oracle/schemes/zeroquant.ts";

/** Bits of weights, of feed-forward weights, of activations and of the cache. */
interface Precision {
  readonly weights: number;
  readonly mlp: number;
  readonly activations: number;
  readonly cache?: number;
}

/**
 * The scheme of a claim; null where the row cannot be run on a checkpoint (times, other hardware) or does not say enough.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { loadClaims, schemeOfClaim } from "quantbook/claims";
 * const claim = (await loadClaims()).find(({ table, method }) => table === "kivi_ppl" && method === "KIVI-2");
 * assertEquals(claim && schemeOfClaim(claim)?.kv?.method, "kivi");
 * ```
 */
export function schemeOfClaim(claim: Claim): Scheme | null {
  const { method, settings, metric, model, paper } = claim;
  if (method === null || model === null) return null;
  if (paper === "quik") return quikScheme(claim);
  if (paper === "odyssey" || paper === "marlin" || paper === "qqq") return w4a8Scheme(claim);
  if (paper === "llmfp4") return llmFp4Scheme(claim);
  if (paper === "slimllm") return slimLlmScheme(claim);
  // Its models make images.
  if (paper === "svdquant") return null;
  // Its rows name no bits.
  if (paper === "gptaq") return null;
  if (paper === "omniquant" || paper === "abq" || paper === "affine") return learnedScheme(claim);
  if (paper === "sparsity") return sparsityScheme(claim);
  if (paper === "quarot" || paper === "spinquant") return rotationScheme(claim);
  if (/^(16-bit )?(baseline|full)$/i.test(method)) return {};
  const { weights, mlp, activations, cache } = precisionOf(settings);
  const group = [settings.groupsize, settings.group].find((one) => typeof one === "number");
  const grouped = typeof group === "number" ? { groupSize: group } : {};
  const nearest = {
    bits: weights,
    granularity: group === undefined ? "channel" as const : "group" as const,
    ...grouped,
  };
  const rounded = activations < 16 ? { activations: rtn({ bits: activations, granularity: "token" }) } : {};
  const alpha = typeof settings.alpha === "number" ? settings.alpha : 0.55;
  const cacheBits = Number(/-(\d)/.exec(method)?.[1]);
  const prefill = metric === "perplexity" || metric === "acc" || metric === "mean_acc" ? "quantized" : "full";
  switch (method.replace("OPTQ", "GPTQ").replace(/-\d.*$/, "")) {
    case "RTN":
      return { weights: rtn(nearest), ...rounded };
    case "SmoothQuant":
      return { transforms: [smoothQuant({ alpha })], weights: rtn(nearest), ...rounded };
    case "GPTQ":
      return {
        weights: gptq({ bits: weights, ...grouped, actOrder: settings.act_order !== false }),
        ...rounded,
      };
    case "SmoothQuant+GPTQ":
      return {
        transforms: [smoothQuant({ alpha })],
        weights: gptq({ bits: weights, actOrder: true }),
        ...rounded,
      };
    case "AWQ":
      return { weights: awq({ bits: weights, groupSize: 128 }) };
    case "LLM.int8()":
      return { linears: llmInt8({ threshold: 6 }) };
    case "LUT-GEMM":
      return { weights: bcq({ bits: weights, ...grouped }) };
    case "ZeroQuant":
      return zeroQuantScheme({ bits: weights, mlpBits: mlp, activationBits: activations, groups: 4096 });
    case "SpQR":
      return {
        weights: settings.bits === 3.07
          ? spqr({ bits: 2, groupSize: 32, outlierThreshold: 0.5 })
          : spqr({ bits: 3 }),
      };
    case "KIVI":
      return { kv: kivi({ bits: cacheBits, prefill }) };
    case "KVQuant":
      return { kv: kvquant({ bits: cacheBits, sparsity: 0.01, prefill }) };
    case "QRazor":
      return typeof group !== "number" ? null : referenceQRazor({
        variant: "june",
        groupSize: group,
        ...activations < 16 && { bitsA: activations },
        ...cache !== undefined && { bitsKv: cache },
      });
    default:
      return null;
  }
}

/** `"W4/8A16"`, `{ bits: 4 }` or `{ bits_w: 8, bits_a: 8 }`; LLM.int8()'s table says 8 bits and means both. */
function precisionOf(settings: Claim["settings"]): Precision {
  const { setting, bits, bits_w, bits_a } = settings;
  const found = /^W(\d+)(?:\/(\d+))?(?:A(\d+))?(?:KV(\d+))?$/.exec(String(setting ?? ""));
  if (found !== null) {
    const [, first, second, activations = 16, cache] = found;
    // "4/8": 4 bits in the feed-forward blocks, 8 in attention.
    const cacheBits = cache === undefined ? {} : { cache: Number(cache) };
    return {
      weights: Number(second ?? first),
      mlp: Number(first),
      activations: Number(activations),
      ...cacheBits,
    };
  }
  const weights = Number(bits_w ?? bits ?? 16);
  return { weights, mlp: weights, activations: Number(bits_a ?? (weights === 8 ? 8 : 16)) };
}

/** The command that measures a claim's quantity on a checkpoint; null where there is none. */
export function commandOfClaim(claim: Claim): string | null {
  // LAMBADA (OdysseyLLM), and averages over it (QuaRot), SIQA (SpinQuant) or unnamed tasks (QUIK), which are no tasks here.
  const average = claim.dataset === "zeroshot_avg" || claim.dataset === "lambada";
  const measurable = claim.metric === "perplexity" ||
    !average && /^(acc|exact_match|bleu_acc|mean_acc)/.test(claim.metric ?? "");
  if (!measurable || schemeOfClaim(claim) === null) return null;
  return `deno run -A cli/main.ts reproduce "${claim.id}" --model <directory of ${claim.model}> --data <directory of test sets>`;
}
