/** What family files have in common: the sizes, names and options that many configurations spell alike. */
import type { Activation } from "../../kernels/device.ts";
import type { Architecture, LinearNames, LinearRole } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";

/** Keys of the sizes in config.json. */
export interface SizeKeys {
  /** Default `hidden_size`. */
  readonly hidden?: string;
  /** Default `num_hidden_layers`. */
  readonly layers?: string;
  /** Default `num_attention_heads`. */
  readonly heads?: string;
  /** Default `num_key_value_heads`; as many as heads when absent. */
  readonly kvHeads?: string;
  /** Default `max_position_embeddings`; 2048 when absent. */
  readonly positions?: string;
  /** Null where heads always divide the hidden size among them. */
  readonly headDim?: null;
}

/** The sizes of an architecture. */
export function sizes(
  config: ModelConfig,
  keys: SizeKeys = {},
): Pick<
  Architecture,
  "family" | "vocabularySize" | "hiddenSize" | "layers" | "heads" | "kvHeads" | "headDim" | "maxPositions"
> {
  const hiddenSize = config.integer(keys.hidden ?? "hidden_size");
  const heads = config.integer(keys.heads ?? "num_attention_heads");
  const headDim = config.integer("head_dim", { fallback: hiddenSize / heads });
  if (keys.headDim === null && headDim * heads !== hiddenSize) {
    config.fail("head_dim", `${hiddenSize} / ${heads}, as in all models of its type`);
  }
  return {
    family: config.modelType,
    vocabularySize: config.integer("vocab_size"),
    hiddenSize,
    layers: config.integer(keys.layers ?? "num_hidden_layers"),
    heads,
    kvHeads: config.integer(keys.kvHeads ?? "num_key_value_heads", { fallback: heads }),
    headDim,
    maxPositions: config.integer(keys.positions ?? "max_position_embeddings", { fallback: 2048 }),
  };
}

/** Names of linear layers: `${prefix}.${name}.weight`, and `.bias` for the roles that have one. */
export function linears(
  prefix: string,
  names: Readonly<Partial<Record<LinearRole, string>>>,
  bias: readonly LinearRole[] | boolean = false,
): Partial<Record<LinearRole, LinearNames>> {
  const entries = Object.entries(names) as [LinearRole, string][];
  return Object.fromEntries(entries.map(([role, name]) => {
    const biased = typeof bias === "boolean" ? bias : bias.includes(role);
    return [role, named(`${prefix}.${name}`, biased)];
  }));
}

/** `name.weight`, and `name.bias` where there is one. */
export function named(name: string, bias = true): LinearNames {
  return bias ? { weight: `${name}.weight`, bias: `${name}.bias` } : { weight: `${name}.weight` };
}

/** The three projections of attention in one tensor: one after the other, or so in each of `groups` parts. */
export function fusedQkv(
  names: LinearNames,
  { heads, kvHeads, headDim }: Pick<Architecture, "heads" | "kvHeads" | "headDim">,
  groups = 1,
): Record<"q" | "k" | "v", LinearNames> {
  const q = heads * headDim / groups, kv = kvHeads * headDim / groups;
  const size = q + 2 * kv;
  return {
    q: { ...names, rows: { groups, size, start: 0, count: q } },
    k: { ...names, rows: { groups, size, start: q, count: kv } },
    v: { ...names, rows: { groups, size, start: q + kv, count: kv } },
  };
}

const activations: Readonly<Record<string, Activation>> = {
  silu: "silu",
  swish: "silu",
  relu: "relu",
  gelu: "gelu",
  gelu_new: "geluTanh",
  gelu_fast: "geluTanh",
  gelu_pytorch_tanh: "geluTanh",
  gelu_accurate: "geluTanh",
  gelu_python: "gelu",
  gelu_python_tanh: "geluTanh",
};

/** The activation function under `key`. */
export function activation(config: ModelConfig, key = "hidden_act"): Activation {
  return activations[config.string(key, { accepted: Object.keys(activations) })];
}

/** The name of the output projection's weight, which is the embedding's where they are tied. */
export function head(
  config: ModelConfig,
  embedding: string,
  { name = "lm_head.weight" }: { readonly name?: string } = {},
): Pick<Architecture, "embedding" | "head"> {
  return { embedding, head: config.boolean("tie_word_embeddings") ? embedding : name };
}

/** The window of attention, in all layers. */
export function slidingWindow(config: ModelConfig): Pick<Architecture, "window"> {
  return config.has("sliding_window") ? { window: config.integer("sliding_window") } : {};
}

/** The window of attention and the layers that have it, from `layer_types` or else `isWindowed`. */
export function windowedLayers(
  config: ModelConfig,
  isWindowed: (layer: number) => boolean,
): Pick<Architecture, "window" | "windowLayers"> {
  const types = config.list("layer_types");
  const all = Array.from({ length: config.integer("num_hidden_layers") }, (_, layer) => layer);
  const windowLayers = all.filter((layer) =>
    types ? types[layer] === "sliding_attention" : isWindowed(layer)
  );
  if (windowLayers.length === 0) return { windowLayers };
  return { window: config.integer("sliding_window"), windowLayers };
}
