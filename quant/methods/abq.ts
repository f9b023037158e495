/**
 * ABQ-LLM: OmniQuant's learned clipping and transformations, with scales between the up and the down projection too, two vectors whose outer
 * product is added to the down projection of outer layers before it is rounded, a loss that also compares directions and attention, and, for
 * 1 and 2 bits, one level more (bit balance): 5 levels are log2(5) = 2.32 bits and take 3.
 *
 * Source: Zeng et al., "ABQ-LLM: Arbitrary-Bit Quantized Inference Acceleration for Large Language Models", AAAI 2025 (arXiv 2408.08554),
 * section 3, and its code (bytedance/ABQ-LLM). The paper gives the vectors to the first and the last layers; the code to layers 0 to 2 and
 * the last four (`compensation: "outer"`), which is every layer of a model of up to 7.
 *
 * Differences from the code: OPT is trained as the block that it is (see `omniquant.ts`); a stored scheme has the vectors too, which the
 * code's own file leaves out; the learning rate of the vectors is an option, as the code's 1e-2 is too large for inputs that are all positive.
 */
import type { Model } from "../../model/model.ts";
import { foldEquivalents } from "../gradients/equivalent.ts";
import type { MethodWith, OperandMethod, WeightMethod } from "../method.ts";
import {
  flag,
  groupSizeOption,
  integer,
  listOf,
  number,
  oneOf,
  type Option,
  optional,
  type OptionTable,
  or,
  readOptions,
} from "../options.ts";
import { abqLoss } from "./abq/loss.ts";
import {
  bitsOption,
  type BlockVariant,
  givenLayer,
  learnedOperand,
  type LearnedScheme,
  learnedWeights,
  omniVariant,
  startOf,
} from "./omniquant.ts";

/** ABQ-LLM as data: the same scheme stands under `weights`, and under what it rounds while the model runs. */
export interface Abq extends LearnedScheme {
  /** Tag of the method. */
  readonly method: "abq";
  /** Whether weights of 2 bits have a fifth level. */
  readonly balanced: boolean;
  /** Which down projections get two vectors; only where channels are scaled, as in the code. */
  readonly compensation: "outer" | "ends" | "none";
  /** Learning rate of these vectors. */
  readonly compensationRate: number;
  /** Whether the loss compares directions of outputs. */
  readonly cosine: boolean;
  /** Whether the loss compares attention probabilities. */
  readonly maps: boolean;
}

/** Options of {@linkcode abq}; `equivalent` is true by default where activations are rounded. */
export type AbqOptions = Partial<Omit<Abq, "method" | "suite" | "bits">> & { readonly bits: number };

/** What {@linkcode abq} accepts. */
export const abqOptions: OptionTable<Abq> = {
  bits: bitsOption(),
  groupSize: groupSizeOption(),
  symmetric: flag(false),
  signed: flag(false),
  balanced: flag(true),
  activationBits: bitsOption(16),
  operands: oneOf(["head", "token"], "head"),
  clip: flag(true),
  equivalent: optional(flag(false)) as Option<boolean>,
  compensation: oneOf(["outer", "ends", "none"], "outer"),
  cosine: flag(true),
  maps: flag(true),
  alpha: number(0, 1, 0.5),
  epochs: integer(0, 1 << 16, 20),
  samples: or(null, integer(1, 1 << 20), null),
  batch: integer(1, 1 << 16, 1),
  clipRate: number(0, 10, 1e-2),
  equivalentRate: number(0, 10, 5e-3),
  compensationRate: number(0, 10, 1e-2),
  weightDecay: number(0, 1, 0),
  augmented: flag(true),
  parameters: optional(listOf(givenLayer)),
};

/**
 * Weights, and what they are multiplied with, by ABQ-LLM.
 *
 * @example
 * ```ts
 * import { abq, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const own = abq({ bits: 2, activationBits: 8 });
 * const w2a8: Scheme = { weights: own, activations: own, query: own, key: own, value: own };
 * assertEquals([own.balanced, own.equivalent, w2a8.weights], [true, true, own]);
 * ```
 */
export function abq(options: AbqOptions): Abq {
  const { equivalent, ...read } = readOptions<Abq>("abq", abqOptions, options);
  return { ...read, equivalent: options.equivalent === undefined ? read.activationBits < 16 : equivalent };
}

/** What is learned, from what, by which loss. */
export function abqVariant(model: Model, scheme: Abq): BlockVariant {
  const { architecture } = model, { layers } = architecture, { bits, symmetric, signed, balanced } = scheme;
  const base = omniVariant(model, scheme), gated = architecture.linears.gate !== undefined;
  const { compensation, compensationRate, cosine, maps } = scheme;
  const first = compensation === "outer" ? 3 : 1, last = compensation === "outer" ? 4 : 1;
  const sites = ["attention", "output", "mlp", ...gated ? ["down" as const] : []] as const;
  return {
    ...base,
    name: "abq",
    rule: bits < 16 ? { bits, symmetric, signed, balanced: balanced && bits <= 2 && !signed } : null,
    async start(context) {
      const start = await startOf(model, scheme, context, sites);
      return (layer, block) => {
        const learned = start(layer, block), outer = layer < first || layer >= layers - last;
        if (compensation === "none" || !scheme.equivalent || !outer) return learned;
        const { hiddenSize, intermediateSize } = architecture;
        learned.set("down.left", new Float32Array(hiddenSize));
        learned.set("down.right", new Float32Array(intermediateSize).fill(1));
        return learned;
      };
    },
    fold(graph, block, nodes, learned) {
      foldEquivalents(graph, architecture, block, nodes, learned);
      const left = learned.get("down.left"), right = learned.get("down.right"), down = nodes.get("down");
      if (left === undefined || right === undefined || down === undefined) return;
      nodes.set("down", graph.add(down, graph.outer(left, right)));
    },
    rateOf: (name) => /\.(left|right)$/.test(name) ? compensationRate : base.rateOf(name),
    lossOf: abqLoss({ cosine, maps }),
    maps,
  };
}

/** ABQ-LLM, for the registry. */
export const abqMethod: MethodWith<{ weights: WeightMethod<Abq>; operand: OperandMethod<Abq> }> = {
  name: "abq",
  paper: {
    title: "ABQ-LLM: Arbitrary-Bit Quantized Inference Acceleration for Large Language Models",
    authors: "Zeng et al. 2025",
    link: "https://arxiv.org/abs/2408.08554",
  },
  options: abqOptions,
  // Groups are those of weights: what runs is rounded by token.
  parse: (options, part) =>
    abq((part === "operand" ? { ...options, groupSize: -1 } : options) as unknown as AbqOptions),
  cost: { calibrates: true, copies: 2, passes: ({ epochs }: Abq) => 1 + 3 * epochs },
  weights: learnedWeights(abqVariant),
  operand: learnedOperand,
};
