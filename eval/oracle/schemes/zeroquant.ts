/** Schemes that compute what DeepSpeed computed in the original code's ZeroQuant runs; oracle values belong to these. */
import type { Scheme } from "../../../quant/scheme.ts";
import { zeroQuant } from "../../../quant/methods/zeroquant.ts";

/** Bits of attention weights, feed-forward weights and activations (16: left alone), and groups of each weight. */
export function zeroQuantScheme(
  { bits, mlpBits, activationBits, groups }: {
    readonly bits: number;
    readonly mlpBits: number;
    readonly activationBits: number;
    readonly groups: number;
  },
): Scheme {
  const weights = zeroQuant({ bits, mlpBits, groups });
  return activationBits < 16 ? { weights, activations: zeroQuant({ bits: activationBits }) } : { weights };
}

/** The oracle's results on ZeroQuant without distillation, and the schemes that reproduce them, by id. */
export function zeroQuantSchemes(): Map<string, Scheme> {
  const groups = 256;
  return new Map([
    ["zq-w8a8-g256", zeroQuantScheme({ bits: 8, mlpBits: 8, activationBits: 8, groups })],
    ["zq-w4-8a8-g256", zeroQuantScheme({ bits: 8, mlpBits: 4, activationBits: 8, groups })],
    ["zq-w4-8a16-g256", zeroQuantScheme({ bits: 8, mlpBits: 4, activationBits: 16, groups })],
    ["zq-w4a4-g256", zeroQuantScheme({ bits: 4, mlpBits: 4, activationBits: 4, groups })],
    ["zq-w4a8-g256", zeroQuantScheme({ bits: 4, mlpBits: 4, activationBits: 8, groups })],
    ["zq-w4-8a8-g4096", zeroQuantScheme({ bits: 8, mlpBits: 4, activationBits: 8, groups: 4096 })],
  ]);
}
