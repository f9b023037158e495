/** Schemes that compute what the original code's distillation computed; oracle values belong to these. */
import { distill } from "../../../quant/methods/distill.ts";
import type { Scheme } from "../../../quant/scheme.ts";
import { zeroQuant } from "../../../quant/methods/zeroquant.ts";

/** Settings of a run of the original code, as its id names them. */
export interface DistillRun {
  /** Of attention weights. */
  readonly bits: number;
  /** Of feed-forward weights. */
  readonly mlpBits: number;
  /** 16: left alone. */
  readonly activationBits: number;
  /** Constant. */
  readonly learningRate: number;
  /** Of 4 windows each. */
  readonly steps: number;
  /** `"all"` as coded, `"causal"` with the mask added. */
  readonly attention: "causal" | "all";
}

/** Last layer, weights in 256 groups, as in the original code's runs. */
export function distillScheme({ bits, mlpBits, activationBits, ...options }: DistillRun): Scheme {
  const weights = zeroQuant({ bits, mlpBits, groups: 256 });
  const activations = activationBits < 16 ? zeroQuant({ bits: activationBits }) : null;
  return {
    transforms: [distill({ ...options, weights, activations })],
    weights,
    ...activations !== null && { activations },
  };
}

/** The oracle's distillation runs, by id. */
export function distillRuns(): Map<string, DistillRun> {
  const w88 = { bits: 8, mlpBits: 8, activationBits: 8 }, w48 = { bits: 8, mlpBits: 4, activationBits: 8 };
  const w4816 = { bits: 8, mlpBits: 4, activationBits: 16 }, w44 = { bits: 4, mlpBits: 4, activationBits: 4 };
  const all = { steps: 50, attention: "all" } as const, causal = { steps: 50, attention: "causal" } as const;
  return new Map<string, DistillRun>([
    ["zq-lkd-w8a8-lr5e-6-s50", { ...w88, ...all, learningRate: 5e-6 }],
    ["zq-lkd-w4-8a8-lr5e-6-s50", { ...w48, ...all, learningRate: 5e-6 }],
    ["zq-lkd-w4-8a8-lr1e-4-s50", { ...w48, ...all, learningRate: 1e-4 }],
    ["zq-lkd-w4-8a16-lr5e-6-s50", { ...w4816, ...all, learningRate: 5e-6 }],
    ["zq-lkd-w4-8a16-lr1e-4-s50", { ...w4816, ...all, learningRate: 1e-4 }],
    ["zq-lkd-w4a4-lr5e-6-s50", { ...w44, ...all, learningRate: 5e-6 }],
    ["zq-lkd-w4a4-lr1e-4-s50", { ...w44, ...all, learningRate: 1e-4 }],
    ["zq-lkd-w4-8a8-lr5e-6-s50-causal", { ...w48, ...causal, learningRate: 5e-6 }],
    ["zq-lkd-w4a4-lr1e-4-s50-causal", { ...w44, ...causal, learningRate: 1e-4 }],
  ]);
}
