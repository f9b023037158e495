/**
 * What a comparison costs: its time beside two plain perplexities (fixture model, in turns, medians), and the most bytes that a process
 * holds which compares two models on one window of 32,768 tokens with 151,936 columns of logits (made-up weights, one layer).
 *
 *     deno run -A bench/compare.ts [--tokens 32768] [--turns 9]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { corpus, loadModel, perplexity, quantize, rtn } from "../mod.ts";
import { compare } from "../eval/mod.ts";
import { measureWindow } from "../eval/compare/measure.ts";
import { type RawTensor, writeSafetensors } from "../model/safetensors.ts";
import { mebibytes, peakBytes } from "./memory.ts";

const { values } = parseArgs({
  options: { tokens: { type: "string", default: "32768" }, turns: { type: "string", default: "9" } },
});
const before = await peakBytes();

/** A model of one layer with as many rows as large models have. */
async function writeTallModel(positions: number): Promise<string> {
  const directory = await Deno.makeTempDir(), fixture = new URL("../fixtures/models/llama/", import.meta.url);
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    await Deno.copyFile(new URL(name, fixture), `${directory}/${name}`);
  }
  const hidden = 64, vocabulary = 151_936;
  const config = JSON.parse(await Deno.readTextFile(new URL("config.json", fixture)));
  const sizes = {
    ...{ hidden_size: hidden, intermediate_size: hidden, num_attention_heads: 1, num_key_value_heads: 1 },
    ...{ num_hidden_layers: 1, vocab_size: vocabulary, max_position_embeddings: positions },
  };
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...config, ...sizes }));
  const tensors = new Map<string, RawTensor>();
  const add = (name: string, shape: number[], value: (i: number) => number) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b));
    for (let i = 0; i < data.length; i++) data[i] = value(i);
    tensors.set(`model.${name}.weight`, { dtype: "F16", shape, data });
  };
  const mixed = (i: number) => (Math.imul(i + 1, 2654435761) >>> 8) / 2 ** 24 - 0.5;
  add("embed_tokens", [vocabulary, hidden], (i) => 2 * mixed(i));
  for (const name of ["norm", "layers.0.input_layernorm", "layers.0.post_attention_layernorm"]) {
    add(name, [hidden], () => 1);
  }
  for (
    const role of [
      "self_attn.q",
      "self_attn.k",
      "self_attn.v",
      "self_attn.o",
      "mlp.gate",
      "mlp.up",
      "mlp.down",
    ]
  ) {
    add(`layers.0.${role}_proj`, [hidden, hidden], (i) => mixed(i + role.length * 7919));
  }
  await writeSafetensors(`${directory}/model.safetensors`, tensors);
  return directory;
}

const length = Number(values.tokens);
const directory = await writeTallModel(length);
const ids = Int32Array.from({ length }, (_, i) => (i * 7919 + (i >> 3)) % 2048);
const start = performance.now();
const { candidates: [found], text } = await compare(
  directory,
  [{ model: directory, label: "W4", scheme: { weights: rtn({ bits: 4 }) } }],
  { windows: [ids], results: null, noise: false },
);
const seconds = (performance.now() - start) / 1000;
const peak = await peakBytes();
console.log(
  `1 x ${text.tokens} tokens, 151936 columns, two models: ${mebibytes(peak)} at most (${
    mebibytes(before)
  } before), ` +
    `${seconds.toFixed(0)} s, divergence ${found.divergence.mean.value.toPrecision(4)}`,
);
await Deno.remove(directory, { recursive: true });
if (length >= 32_768 && peak >= 2 ** 30) {
  throw new Error(`the comparison held ${peak} bytes: expected less than 2^30`);
}

using float = await loadModel("fixture:llama");
using model = await quantize(float, { weights: rtn({ bits: 4 }) });
const windows = await corpus("sotu", { windows: 4, length: 512 });
const timed = async (work: () => Promise<void>) => {
  const start = performance.now(), cpu = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { clock: performance.now() - start, processor: (user + system) / 1000 };
};
const plain = () =>
  timed(async () => {
    for (const one of [float, model]) await perplexity(one, windows);
  });
const paired = () =>
  timed(async () => {
    for (const window of windows) await measureWindow(float, [model], window);
  });
await plain();
await paired();
const turns: { clock: number; processor: number }[] = [];
for (let turn = 0; turn < Number(values.turns); turn++) {
  const [a, b] = [await plain(), await paired()];
  turns.push({ clock: b.clock / a.clock, processor: b.processor / a.processor });
}
const median = (of: (one: typeof turns[number]) => number) =>
  turns.map(of).sort((a, b) => a - b)[turns.length >> 1].toFixed(3);
console.log(
  `time of a comparison over that of two perplexities, median of ${turns.length} turns (${float.device.description}): ` +
    `${median(({ clock }) => clock)} by the clock, ${median(({ processor }) => processor)} of the processor`,
);
