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
 * `gate`, `up`, `down` (a plain feed-forward block has no `gate`; its `fc1` and `fc2` are `up` and `down`).
 */
export type LinearRole = "q" | "k" | "v" | "o" | "gate" | "up" | "down";

/** The four matrices that enter linear layers; roles that read the same input share its statistics. */
export type InputSite = "attention" | "output" | "mlp" | "down";

/** Which linear layers read which input. */
export const rolesOfSite: Readonly<Record<InputSite, readonly LinearRole[]>> = {
  attention: ["q", "k", "v"],
  output: ["o"],
  mlp: ["gate", "up"],
  down: ["down"],
};

/** The input that a linear layer reads. */
export function siteOfRole(role: LinearRole): InputSite {
  if (role === "o") return "output";
  if (role === "down") return "down";
  return role === "gate" || role === "up" ? "mlp" : "attention";
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
  | { readonly kind: "learned"; readonly tensor: string; readonly offset: number };

/** Names of a norm's tensors in the checkpoint; `{layer}` stands for the layer's index. */
export interface NormNames {
  /** Name of the weight in the checkpoint. */
  readonly weight: string;
  /** Name of the bias in the checkpoint, if there is one. */
  readonly bias?: string;
}

/** Names of a linear layer's tensors in the checkpoint; `{layer}` stands for the layer's index. */
export interface LinearNames {
  /** Name of the weight in the checkpoint. */
  readonly weight: string;
  /** Name of the bias in the checkpoint, if there is one. */
  readonly bias?: string;
}

/** A decoder-only transformer as data. */
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
  /** Activation of the feed-forward block. */
  readonly activation: Activation;
  /** Name of the token embedding `[vocabulary, hidden]`. */
  readonly embedding: string;
  /** The output projection's weight; equal to `embedding` when tied. */
  readonly head: string;
  /** The norm before attention. */
  readonly attentionNorm: NormNames;
  /** The norm before the feed-forward block. */
  readonly mlpNorm: NormNames;
  /** The norm before the output projection. */
  readonly finalNorm: NormNames;
  /** The linear layers of a decoder layer. */
  readonly linears: Readonly<Partial<Record<LinearRole, LinearNames>>>;
}

/** Fills `{layer}` in a name template. */
export function tensorName(template: string, layer: number): string {
  return template.replace("{layer}", String(layer));
}

/** The linear roles that an architecture has, in the order they run. */
export function linearRoles(architecture: Architecture): LinearRole[] {
  const order: LinearRole[] = ["q", "k", "v", "o", "gate", "up", "down"];
  return order.filter((role) => architecture.linears[role] !== undefined);
}

/** Output and input features of a linear layer. */
export function linearShape(architecture: Architecture, role: LinearRole): [out: number, inputs: number] {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = architecture;
  switch (role) {
    case "q":
      return [heads * headDim, hiddenSize];
    case "k":
    case "v":
      return [kvHeads * headDim, hiddenSize];
    case "o":
      return [hiddenSize, heads * headDim];
    case "down":
      return [hiddenSize, intermediateSize];
    default:
      return [intermediateSize, hiddenSize];
  }
}
