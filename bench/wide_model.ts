/** A model with the sizes of a real one's layers and made-up weights: what speed depends on. */
import { type RawTensor, writeSafetensors } from "../model/safetensors.ts";

const hidden = 2048, inner = 5632, heads = 32, kvHeads = 4, headDim = 64, layers = 2;

/** Writes the model (TinyLlama's layers, two of them, the fixture's vocabulary) to a new directory, 170 MB. */
export async function writeWideModel(): Promise<string> {
  const directory = await Deno.makeTempDir(), fixture = new URL("../fixtures/models/llama/", import.meta.url);
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    await Deno.copyFile(new URL(name, fixture), `${directory}/${name}`);
  }
  const config = JSON.parse(await Deno.readTextFile(new URL("config.json", fixture)));
  const sizes = {
    hidden_size: hidden,
    intermediate_size: inner,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    num_hidden_layers: layers,
  };
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...config, ...sizes }));
  const tensors = new Map<string, RawTensor>();
  const add = (name: string, shape: number[], data: Float32Array<ArrayBuffer>) =>
    tensors.set(`model.${name}.weight`, { dtype: "F16", shape, data });
  const matrix = (name: string, out: number, inputs: number) =>
    add(
      name,
      [out, inputs],
      Float32Array.from({ length: out * inputs }, (_, i) => (i * 7 % 97 - 48) / 24 / Math.sqrt(inputs)),
    );
  const gain = (name: string) => add(name, [hidden], new Float32Array(hidden).fill(1));
  matrix("embed_tokens", config.vocab_size, hidden);
  gain("norm");
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `layers.${layer}`;
    gain(`${prefix}.input_layernorm`);
    gain(`${prefix}.post_attention_layernorm`);
    matrix(`${prefix}.self_attn.q_proj`, heads * headDim, hidden);
    for (const name of ["k", "v"]) matrix(`${prefix}.self_attn.${name}_proj`, kvHeads * headDim, hidden);
    matrix(`${prefix}.self_attn.o_proj`, hidden, heads * headDim);
    for (const name of ["gate", "up"]) matrix(`${prefix}.mlp.${name}_proj`, inner, hidden);
    matrix(`${prefix}.mlp.down_proj`, hidden, inner);
  }
  await writeSafetensors(`${directory}/model.safetensors`, tensors);
  return directory;
}
