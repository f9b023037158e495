/** A llama of any size with arbitrary weights, to see how cost grows: speed does not depend on the values. */

import type { Device } from "../kernels/device.ts";
import { loadModel } from "../model/load.ts";
import type { Model } from "../model/model.ts";
import { type RawTensor, writeSafetensors } from "../model/safetensors.ts";

/** Sizes of a model. */
export interface Size {
  /** Hidden features: a multiple of 64, in heads of 64; the feed-forward part is twice as wide. */
  readonly hidden: number;
  readonly layers: number;
}

/** Of the vocabulary: so small that the last product costs nothing beside a layer. */
export const vocabulary = 32;

/** Writes a checkpoint, opens it, and removes it when the model has read it once. */
export async function syntheticModel({ hidden, layers }: Size, device: Device): Promise<Model> {
  const directory = await Deno.makeTempDir({ prefix: "quantbook-scaling-" });
  try {
    const wide = 2 * hidden, tensors = new Map<string, RawTensor>();
    const add = (name: string, ...shape: number[]) => {
      const length = shape.reduce((a, b) => a * b);
      const norm = shape.length === 1, data = new Float32Array(length);
      for (let i = 0; i < length; i++) data[i] = norm ? 1 : ((i * 37 % 101) / 101 - 0.5) / Math.sqrt(hidden);
      tensors.set(name, { dtype: "F32", shape, data });
    };
    add("model.embed_tokens.weight", vocabulary, hidden);
    add("model.norm.weight", hidden);
    for (let layer = 0; layer < layers; layer++) {
      const prefix = `model.layers.${layer}`;
      for (const norm of ["input_layernorm", "post_attention_layernorm"]) {
        add(`${prefix}.${norm}.weight`, hidden);
      }
      for (const role of ["q", "k", "v", "o"]) add(`${prefix}.self_attn.${role}_proj.weight`, hidden, hidden);
      for (const role of ["gate", "up"]) add(`${prefix}.mlp.${role}_proj.weight`, wide, hidden);
      add(`${prefix}.mlp.down_proj.weight`, hidden, wide);
    }
    await writeSafetensors(`${directory}/model.safetensors`, tensors);
    await Deno.writeTextFile(
      `${directory}/config.json`,
      JSON.stringify({
        model_type: "llama",
        hidden_size: hidden,
        intermediate_size: wide,
        num_hidden_layers: layers,
        num_attention_heads: hidden / 64,
        num_key_value_heads: hidden / 64,
        head_dim: 64,
        hidden_act: "silu",
        rms_norm_eps: 1e-5,
        rope_theta: 10000,
        vocab_size: vocabulary,
        max_position_embeddings: 4096,
        tie_word_embeddings: true,
      }),
    );
    const model = await loadModel(directory, { device });
    await model.logits(new Int32Array(2));
    return model;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
