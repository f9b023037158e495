/**
 * What a decoder computes, as data: the one description that the generic decoder follows.
 *
 * A family file (`families/*.ts`) turns a `config.json` into an {@linkcode Architecture}; nothing else in the
 * suite knows which family a model belongs to. Shapes are `[tokens, hidden]` for activations and `[out, in]` for
 * weights.
 */
import type { Activation, RotaryShape } from "../kernels/device.ts";

/**
 * The linear layers of a decoder layer, by what they do: attention projections `q`, `k`, `v`, `o`; feed-forward
 * `gate`, `up`, `down` (a plain feed-forward block has no `gate`; its `fc1` and `fc2` are `up` and `down`); of a state-space
 * mixer its projections `in`, `x` (to time step, B and C), `dt` (of the time step) and `out`.
 */
export type LinearRole = "q" | "k" | "v" | "o" | "gate" | "up" | "down" | "in" | "x" | "dt" | "out";

/**
 * The matrices that enter linear layers; roles that read the same input share its statistics. The last four are those of a
 * state-space mixer: what it reads, its channels after the convolution, the short time step, what the scan gives.
 */
export type InputSite = "attention" | "output" | "mlp" | "down" | "mixer" | "convolved" | "step" | "scanned";

/** The inputs that are made by a norm alone, in models where it feeds nothing else. */
export type NormedSite = "attention" | "mlp" | "mixer";

/** Which linear layers read which input. */
export const rolesOfSite: Readonly<Record<InputSite, readonly LinearRole[]>> = {
  attention: ["q", "k", "v"],
  output: ["o"],
  mlp: ["gate", "up"],
  down: ["down"],
  mixer: ["in"],
  convolved: ["x"],
  step: ["dt"],
  scanned: ["out"],
};

/** The inputs in the order in which a layer computes them. */
export const inputSites = Object.keys(rolesOfSite) as InputSite[];

/** All roles that there are, in the order in which a layer runs them. */
export const allRoles: readonly LinearRole[] = inputSites.flatMap((site) => rolesOfSite[site]);

/** The input that a linear layer reads. */
export function siteOfRole(role: LinearRole): InputSite {
  return inputSites.find((site) => rolesOfSite[site].includes(role)) ?? "attention";
}

/** How rotary frequencies are stretched for long contexts (`rope_scaling` of config.json). */
export type RotaryScaling =
  | { readonly kind: "linear"; readonly factor: number }
  | {
    readonly kind: "llama3";
    readonly factor: number;
    readonly lowFrequencyFactor: number;
    readonly highFrequencyFactor: number;
    readonly originalPositions: number;
  }
  | {
    readonly kind: "yarn";
    readonly factor: number;
    readonly originalPositions: number;
    /** Rotations over the original positions above which a frequency is kept, and below which it is divided. */
    readonly betaFast: number;
    readonly betaSlow: number;
    /** Whether the bounds between these are rounded to whole dimensions. */
    readonly truncate: boolean;
    /** Factor of cosines and sines. */
    readonly attentionFactor: number;
  }
  | {
    readonly kind: "longrope";
    /** Divisors of the frequencies, one per rotated pair: for sequences within the original positions, and longer ones. */
    readonly shortFactor: readonly number[];
    readonly longFactor: readonly number[];
    readonly originalPositions: number;
    /** Factor of cosines and sines. */
    readonly attentionFactor: number;
  };

/** Where token positions enter. */
export type Positions =
  | {
    readonly kind: "rotary";
    readonly theta: number;
    readonly rotaryDim: number;
    readonly layout: RotaryShape["layout"];
    readonly scaling?: RotaryScaling;
  }
  | { readonly kind: "learned"; readonly tensor: string; readonly offset: number }
  /** Scores gain `slope * distance`, one slope per head times `scale` (ALiBi, Press et al., 2022). */
  | { readonly kind: "alibi"; readonly scale: number }
  /** Nowhere: a recurrence knows its order (Mamba). */
  | { readonly kind: "none" };

/** Names of a norm's tensors in the checkpoint; `{layer}` stands for the layer's index. */
export interface NormNames {
  /** Name of the weight in the checkpoint. */
  readonly weight: string;
  /** Name of the bias in the checkpoint, if there is one. */
  readonly bias?: string;
  /** What the checkpoint holds when it is not the weight: the weight minus one (Gemma), or nothing, for ones (OLMo). */
  readonly stored?: "minusOne" | "nothing";
}

/** Norms of queries and keys before positions are rotated in. */
export interface HeadNorms {
  /** Of the queries; `{head}` in a name stands for the head, where each has a weight of its own. */
  readonly query: NormNames;
  /** Of the keys. */
  readonly key: NormNames;
  /** What is normalized at once: the vector of each head, or all heads of a token. */
  readonly over: "head" | "token";
}

/** Which rows of a fused tensor a linear layer is: `count` rows from `start` on, in each of `groups` equal parts. */
export interface FusedRows {
  /** Equal parts of the tensor. */
  readonly groups: number;
  /** Rows of a part. */
  readonly size: number;
  /** First row, in each part. */
  readonly start: number;
  /** Number of rows, in each part. */
  readonly count: number;
}

/** Names of a linear layer's tensors in the checkpoint; `{layer}` stands for the layer's index. */
export interface LinearNames {
  /** Name of the weight in the checkpoint. */
  readonly weight: string;
  /** Name of the bias in the checkpoint, if there is one. */
  readonly bias?: string;
  /** The rows of the stored tensor that belong to the layer, when several layers share it. */
  readonly rows?: FusedRows;
  /** The weight is stored `[in, out]` (GPT-2). */
  readonly transposed?: boolean;
}

/** A mixture of experts in place of a feed-forward block: a router picks some feed-forward blocks for each token. */
export interface Experts {
  /** Experts of a layer. */
  readonly count: number;
  /** Experts that each token goes through. */
  readonly perToken: number;
  /** Whether the chosen experts' probabilities are divided by their sum. */
  readonly normalized: boolean;
  /** Width of an expert. */
  readonly intermediateSize: number;
  /** Name of the router's weight `[count, hidden]`. */
  readonly router: string;
  /** Names of an expert's linear layers; `{expert}` stands for its index. */
  readonly linears: Readonly<Record<"gate" | "up" | "down", LinearNames>>;
  /** Layers that have an ordinary feed-forward block instead. */
  readonly denseLayers: readonly number[];
}

/** A state-space mixer in place of attention and feed-forward block (Mamba, Gu and Dao, 2023, section 3.4 and figure 3). */
export interface StateSpace {
  /** Channels of the mixer. */
  readonly innerSize: number;
  /** Numbers of a channel's state. */
  readonly stateSize: number;
  /** Tokens that the convolution sees. */
  readonly taps: number;
  /** Width of the time step before its projection. */
  readonly rank: number;
  /** Names of the tensors that are no linear layers: taps `[inner, 1, taps]` and bias, `log(-A)` `[inner, state]`, D `[inner]`. */
  readonly tensors: {
    readonly kernel: string;
    readonly kernelBias?: string;
    readonly decay: string;
    readonly skip: string;
  };
}

/** A decoder-only language model as data. */
export interface Architecture {
  /** `model_type` of config.json. */
  readonly family: string;
  /** Tokens that have an embedding. */
  readonly vocabularySize: number;
  /** Width of the hidden states. */
  readonly hiddenSize: number;
  /** Width of the feed-forward block. */
  readonly intermediateSize: number;
  /** Decoder layers. */
  readonly layers: number;
  /** Query heads. */
  readonly heads: number;
  /** Key-value heads; each serves `heads / kvHeads` query heads. */
  readonly kvHeads: number;
  /** Dimensions of a head. */
  readonly headDim: number;
  /** Longest sequence that the positions allow. */
  readonly maxPositions: number;
  /** Which norm, and the constant under its root. */
  readonly norm: { readonly kind: "rms" | "layer"; readonly eps: number };
  /** Where token positions enter. */
  readonly positions: Positions;
  /** Rotary positions of the layers that see a window, where they differ (Gemma 3). */
  readonly windowPositions?: Extract<Positions, { kind: "rotary" }>;
  /** Layers without positions (SmolLM 3). */
  readonly unrotatedLayers?: readonly number[];
  /** Last positions that a query sees (its own included), in the layers that have a window. */
  readonly window?: number;
  /** Layers that have a window; all when absent. */
  readonly windowLayers?: readonly number[];
  /** Factor of the attention scores: `1 / sqrt(headDim)` when absent. */
  readonly attentionScale?: number;
  /** Attention scores become `softcap * tanh(score / softcap)`. */
  readonly attentionSoftcap?: number;
  /** Queries, keys and values are clamped to this magnitude (OLMo). */
  readonly clip?: number;
  /** Norms of queries and keys. */
  readonly headNorms?: HeadNorms;
  /** Activation of the feed-forward block. */
  readonly activation: Activation;
  /** Mixture of experts. */
  readonly experts?: Experts;
  /** A state-space mixer: the layers have no attention, and no heads. */
  readonly stateSpace?: StateSpace;
  /** Attention and feed-forward block read the same hidden states and are added together. */
  readonly parallel?: boolean;
  /**
   * Where the norm of a block acts: on what the block reads (when absent), on what it adds to the hidden states
   * (OLMo 2), or on the sum (OPT 350m).
   */
  readonly normPlace?: "output" | "sum";
  /** Further norms of what the blocks add to the hidden states (Gemma 2). */
  readonly outputNorms?: { readonly attention: NormNames; readonly mlp: NormNames };
  /** Factor of what the blocks add to the hidden states (Granite). */
  readonly residualScale?: number;
  /** Name of the token embedding `[vocabulary, hidden]`. */
  readonly embedding: string;
  /** Width of the embedding when it is not the hidden size, with the projections in and out of it (OPT 350m). */
  readonly embeddingProjection?: { readonly size: number; readonly into: string; readonly out: string };
  /** Factor of the embedding (Gemma). */
  readonly embeddingScale?: number;
  /** Norm of the embedding (Bloom). */
  readonly embeddingNorm?: NormNames;
  /** The output projection's weight; equal to `embedding` when tied. */
  readonly head: string;
  /** The output projection's bias. */
  readonly headBias?: string;
  /** Factor of the logits (Cohere, Granite). */
  readonly logitScale?: number;
  /** Logits become `softcap * tanh(logit / softcap)` (Gemma 2). */
  readonly logitSoftcap?: number;
  /** The norm of attention: before it, unless `normPlace` says otherwise. */
  readonly attentionNorm: NormNames;
  /** The norm of the feed-forward block; the same as attention's where both read one input. */
  readonly mlpNorm: NormNames;
  /** The norm before the output projection; null when there is none (OPT 350m). */
  readonly finalNorm: NormNames | null;
  /** The linear layers of a decoder layer. */
  readonly linears: Readonly<Partial<Record<LinearRole, LinearNames>>>;
}

/** Fills `{layer}` in a name template. */
export function tensorName(template: string, layer: number): string {
  return template.replace("{layer}", String(layer));
}

/** The linear roles that an architecture has, in the order they run. */
export function linearRoles(architecture: Architecture): LinearRole[] {
  return allRoles.filter((role) => architecture.linears[role] !== undefined);
}

/** Whether a layer has a mixture of experts in place of gate, up and down projection. */
export function hasExperts({ experts }: Architecture, layer: number): boolean {
  return experts !== undefined && !experts.denseLayers.includes(layer);
}

/** The linear roles of one layer: without the feed-forward block where the layer has experts. */
export function layerRoles(architecture: Architecture, layer: number): LinearRole[] {
  const experts = hasExperts(architecture, layer);
  return linearRoles(architecture).filter((role) => !(experts && /gate|up|down/.test(role)));
}

/** A linear layer of a decoder layer: its own, or one of an expert's. */
export interface LinearPlace {
  /** What it computes. */
  readonly role: LinearRole;
  /** Index of the expert that it belongs to. */
  readonly expert?: number;
}

/** All linear layers of a decoder layer in the order they run, experts included; routers are none. */
export function layerLinears(architecture: Architecture, layer: number): LinearPlace[] {
  const places: LinearPlace[] = layerRoles(architecture, layer).map((role) => ({ role }));
  const { experts } = architecture;
  if (experts === undefined || !hasExperts(architecture, layer)) return places;
  const own = (["gate", "up", "down"] as const).flatMap((role) =>
    Array.from({ length: experts.count }, (_, expert) => ({ role, expert }))
  );
  return [...places, ...own];
}

/**
 * The linear roles that read the output of the norm of a site, when the norm feeds nothing else: a factor per channel can
 * then move between the norm and these layers. Empty when the site has no such norm.
 */
export function normReaders(architecture: Architecture, site: NormedSite): LinearRole[] {
  const { normPlace, attentionNorm, mlpNorm, experts } = architecture;
  if (normPlace !== undefined || experts !== undefined) return [];
  const shared = site !== "mixer" && attentionNorm.weight === mlpNorm.weight;
  const roles = shared ? [...rolesOfSite.attention, ...rolesOfSite.mlp] : rolesOfSite[site];
  return roles.filter((role) => architecture.linears[role] !== undefined);
}

/** Output and input features of a linear layer. */
export function linearShape(architecture: Architecture, role: LinearRole): [out: number, inputs: number] {
  const inputs = siteColumns(architecture, siteOfRole(role));
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim, stateSpace } = architecture;
  const { innerSize = 0, stateSize = 0, rank = 0 } = stateSpace ?? {};
  switch (role) {
    case "q":
      return [heads * headDim, inputs];
    case "k":
    case "v":
      return [kvHeads * headDim, inputs];
    case "gate":
    case "up":
      return [intermediateSize, inputs];
    case "in":
      return [2 * innerSize, inputs];
    case "x":
      return [rank + 2 * stateSize, inputs];
    case "dt":
      return [innerSize, inputs];
    default:
      return [hiddenSize, inputs];
  }
}

/** Features of an input of linear layers. */
export function siteColumns(
  { hiddenSize, intermediateSize, heads, headDim, stateSpace }:
    & Pick<Architecture, "hiddenSize" | "intermediateSize" | "heads" | "headDim">
    & Pick<Partial<Architecture>, "stateSpace">,
  site: InputSite,
): number {
  const { innerSize = 0, rank = 0 } = stateSpace ?? {};
  return {
    attention: hiddenSize,
    output: heads * headDim,
    mlp: hiddenSize,
    down: intermediateSize,
    mixer: hiddenSize,
    convolved: innerSize,
    step: rank,
    scanned: innerSize,
  }[site];
}
