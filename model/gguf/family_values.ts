/** What the keys of several architectures have in common: windows, caps, factors, biases. */
import { pow } from "../../base/elementary.ts";
import type { Metadata } from "./metadata.ts";

/** What a file holds beside its metadata, and the sizes that all architectures state. */
export interface GgufSizes {
  /** Width of the hidden states. */
  readonly hidden: number;
  /** Query heads. */
  readonly heads: number;
  /** Key-value heads. */
  readonly kvHeads: number;
  /** Dimensions of a head. */
  readonly headDim: number;
  /** Width of the feed-forward block. */
  readonly intermediate: number;
  /** Decoder layers. */
  readonly layers: number;
  /** Whether the file has a tensor; in a layer, whether its first one has. */
  readonly holds: (tensor: string) => boolean;
}

/** llama.cpp knows Gemma's largest models by their layers: these alone scale by the hidden width per head. */
export function queryScale(
  largest: number,
): (metadata: Metadata, sizes: GgufSizes) => Record<string, unknown> {
  return (metadata, { hidden, heads, headDim, layers }) => {
    if (!metadata.has("attention.scale")) {
      return { query_pre_attn_scalar: layers === largest ? hidden / heads : headDim };
    }
    // To the seven digits that a float32 keeps: the scale is its inverse root.
    const scalar = pow(metadata.number("attention.scale", 1e-6, 1e6), -2);
    return { query_pre_attn_scalar: Number(scalar.toPrecision(6)) };
  };
}

/** The window; null where there is none, which files say by 0. Families have windows of their own where nothing is said. */
export function window(metadata: Metadata, fallback = 0): { sliding_window: number | null } {
  const size = metadata.number("attention.sliding_window", 0, 2 ** 53, fallback);
  return { sliding_window: size === 0 ? null : size };
}

/** Which layers see a window: as the file lists them, or all but every so many. */
export function windowLayers(metadata: Metadata, layers: number, fallback: number): string[] {
  const name = "attention.sliding_window_pattern", listed = metadata.value(name) ?? fallback;
  const sees = (layer: number): boolean => {
    if (typeof listed === "number" && Number.isInteger(listed) && listed >= 0) {
      return listed === 0 || layer % listed < listed - 1;
    }
    if (Array.isArray(listed) && listed.length === layers) return Boolean(listed[layer]);
    return metadata.fail(name, `a period, or ${layers} values of true or false`);
  };
  return Array.from({ length: layers }, (_, layer) => sees(layer) ? "sliding_attention" : "full_attention");
}

/** A soft cap; null where there is none, which files say by 0. Not rounded: nobody prints it with more digits than a float32 has. */
export function softcap(metadata: Metadata, name: string, fallback: number): Record<string, unknown> {
  const value = metadata.number(name, 0, 1e6, fallback);
  return { [name]: value === 0 ? null : value };
}

/** Biases are there when their tensors are. */
export function biases({ holds }: GgufSizes): Record<string, unknown> {
  return {
    attention_bias: holds("blk.0.attn_output.bias"),
    mlp_bias: holds("blk.0.ffn_up.bias"),
  };
}

/** A factor that must be over 0, or 0 for none. */
export function factor(metadata: Metadata, name: string, none: number): number {
  const value = metadata.number(name, 0, 2 ** 20, 0);
  return value === 0 ? none : value;
}

/** The widths that configurations of some families do not state. */
export function fourfold(metadata: Metadata, { hidden, intermediate }: GgufSizes): void {
  if (intermediate !== 4 * hidden) metadata.fail("feed_forward_length", `four times the embedding_length`);
}

/** Qwen's configurations have a switch for the window. */
export function qwenWindow(metadata: Metadata): Record<string, unknown> {
  const own = window(metadata);
  return own.sliding_window === null ? {} : { ...own, use_sliding_window: true, max_window_layers: 0 };
}
