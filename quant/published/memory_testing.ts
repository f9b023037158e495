/** Support of the test of streaming: large published files, and the most memory that a process took to run one. */
import { fixture } from "../../base/fixture.ts";
import { type RawTensor, writeSafetensors } from "../../model/safetensors.ts";
import { cpuDevice } from "../../kernels/cpu/device.ts";
import { loadModel } from "./load.ts";

const hidden = 1024, inner = 4096, group = 128, vocabulary = 2048;

/** Bytes of the codes of one layer: four bits a weight. */
export const layerBytes = (4 * hidden * hidden + 3 * hidden * inner) / 2;

/** Writes a model of so many layers in GPTQ's format, codes made up, to a new directory. */
export async function writeLarge(layers: number): Promise<string> {
  const directory = await Deno.makeTempDir(), source = await fixture("models/llama");
  const tensors = new Map<string, RawTensor>();
  const add = (name: string, shape: number[], value: number) =>
    tensors.set(name, {
      dtype: "F16",
      shape,
      data: new Float32Array(shape.reduce((a, b) => a * b)).fill(value),
    });
  add("model.embed_tokens.weight", [vocabulary, hidden], 0.01);
  add("model.norm.weight", [hidden], 1);
  const put = (name: string, out: number, inputs: number) => {
    const words = Int32Array.from({ length: inputs / 8 * out }, (_, i) => Math.imul(i + out, 0x9e3779b1));
    tensors.set(`${name}.qweight`, { dtype: "I32", shape: [inputs / 8, out], data: words });
    const zeros = new Int32Array(inputs / group * out / 8).fill(0x77777777);
    tensors.set(`${name}.qzeros`, { dtype: "I32", shape: [inputs / group, out / 8], data: zeros });
    add(`${name}.scales`, [inputs / group, out], 2 ** -10);
  };
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}`;
    add(`${prefix}.input_layernorm.weight`, [hidden], 1);
    add(`${prefix}.post_attention_layernorm.weight`, [hidden], 1);
    for (const role of ["q", "k", "v", "o"]) put(`${prefix}.self_attn.${role}_proj`, hidden, hidden);
    for (const role of ["gate", "up"]) put(`${prefix}.mlp.${role}_proj`, inner, hidden);
    put(`${prefix}.mlp.down_proj`, hidden, inner);
  }
  await writeSafetensors(`${directory}/model.safetensors`, tensors);
  const config = JSON.parse(await Deno.readTextFile(`${source}/config.json`));
  const sizes = {
    vocab_size: vocabulary,
    hidden_size: hidden,
    intermediate_size: inner,
    num_hidden_layers: layers,
    num_attention_heads: 16,
    num_key_value_heads: 16,
    head_dim: 64,
    quantization_config: { quant_method: "gptq", bits: 4, group_size: group, desc_act: false, sym: true },
  };
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...config, ...sizes }));
  return directory;
}

/** Loads a model in this process and runs it; prints the most bytes that the process ever held. */
async function main([directory, streaming]: readonly string[]): Promise<void> {
  using device = await cpuDevice({ threads: 1 });
  using model = await loadModel(directory, { device, streaming: streaming === "streaming" });
  await model.logits(Int32Array.of(1, 2, 3, 4));
  const status = await Deno.readTextFile("/proc/self/status");
  console.log(1024 * Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1]));
}

if (import.meta.main) await main(Deno.args);
