/** The Mamba fixture against transformers and the float runs of MambaQuant's program: logits, inner values, states, text. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { cpuDevice } from "../../kernels/cpu/device.ts";
import { runLayer } from "../../model/decoder.ts";
import { RecurrentState } from "../../model/decoder/recurrent_state.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { readSafetensors } from "../../model/safetensors.ts";
import { perplexity } from "../metrics/perplexity.ts";
import { oracleWindows } from "../oracle.ts";

const folder = pathOf(new URL("../../fixtures/expected", import.meta.url));
const golden = await readSafetensors(`${folder}/mamba.safetensors`);
const tokens = await readSafetensors(`${folder}/tokens.safetensors`);
const results: Record<string, { id: string; ppl: number; windowNll: number[]; greedy?: number[] }[]> = JSON
  .parse(
    await Deno.readTextFile(`${folder}/mamba.json`),
  );
const windows = await oracleWindows("test");

function value(name: string): Float32Array {
  const found = golden.get(name)?.data;
  assert(found instanceof Float32Array, name);
  return found;
}

/** Within 1e-4 of the deviation of what is expected. */
function near(found: Float32Array, name: string): void {
  const expected = value(name), mean = expected.reduce((a, b) => a + b) / expected.length;
  const deviation = Math.sqrt(expected.reduce((sum, x) => sum + (x - mean) ** 2, 0) / expected.length);
  assertEquals(found.length, expected.length, name);
  const worst = found.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i])), 0);
  assertLess(worst, 1e-4 * deviation, name);
}

function floatRun(model: string) {
  const run = results[model].find(({ id }) => id === "fp32");
  assert(run !== undefined);
  return run;
}

for (const name of ["mamba", "mamba-outlier"]) {
  Deno.test(`${name}: perplexity and the loss of each window`, async () => {
    using model = await loadModel(`fixture:${name}`);
    const { value, windowNll: each } = await perplexity(model, windows), { ppl, windowNll } = floatRun(name);
    assertLess(Math.abs(value / ppl - 1), 1e-6);
    for (const [i, loss] of each.entries()) assertLess(Math.abs(loss - windowNll[i]), 3e-6, `window ${i}`);
  });
}

Deno.test("mamba: hidden states, logits and the values inside of a layer", async () => {
  using model = await loadModel("fixture:mamba");
  const { device, architecture: { layers, hiddenSize: width } } = model, [ids] = windows;
  using x = await model.embed(ids);
  const parts = (all: Float32Array, name: string, rows: number) => {
    near(all.subarray(0, rows * all.length / ids.length), `${name}.pos0_${rows}`);
    near(all.subarray(all.length - all.length / ids.length), `${name}.last`);
  };
  const seen = new Map<string, Float32Array>();
  const observer = {
    async input(
      values: Parameters<typeof device.read>[0],
      at: { layer: number; site: string; columns: number },
    ) {
      if (at.layer === 0) seen.set(at.site, (await device.read(values)).subarray(0, 8 * at.columns));
    },
  };
  const context = await model.context([observer]);
  for (let layer = 0; layer < layers; layer++) {
    await runLayer(context, await model.loadLayer(layer), x, ids.length);
    parts(await device.read(x), `fp32.hidden.${layer}.test0`, 8);
  }
  using final = await model.final(x, ids.length);
  parts(await device.read(final), "fp32.hidden.4.test0", 8);
  parts(await model.logits(ids), "fp32.logits.test0", 16);
  near(seen.get("mixer") ?? new Float32Array(8 * width), "layer0.norm");
  near(seen.get("convolved") ?? new Float32Array(0), "layer0.conv");
});

/** The states of a layer as the original keeps them: `[inner, 4]` inputs, newest last, of which a step needs three. */
async function states(model: Model, state: RecurrentState, layer: number) {
  const inputs = await model.device.read(state.layers[layer].inputs), inner = inputs.length / 3;
  const scanned = await model.device.read(state.layers[layer].states);
  return {
    inputs: Float32Array.from({ length: inputs.length }, (_, i) => inputs[i % 3 * inner + Math.floor(i / 3)]),
    scanned,
  };
}

Deno.test("mamba: decoding with its state gives the original's states, logits and text, alone or from a prompt in parts", async () => {
  const prompt = tokens.get("prompt")?.data;
  assert(prompt instanceof Int32Array);
  using model = await loadModel("fixture:mamba");
  const { layers, vocabularySize } = model.architecture, greedy = floatRun("mamba").greedy ?? [];
  assertEquals([...await model.generate(prompt, { maxNewTokens: 40, stop: [] })], greedy);
  using state = model.createCache(1000);
  assert(state instanceof RecurrentState);
  await model.step(prompt.subarray(0, 77), state);
  let logits = await model.step(prompt.subarray(77), state);
  const check = async (name: string, only?: number) => {
    for (const layer of only === undefined ? Array(layers).keys() : [only]) {
      const { inputs, scanned } = await states(model, state, layer), at = only === undefined ? layer : 0;
      const stored = value(`decode.conv_states.${name}`), all = value(`decode.ssm_states.${name}`);
      const size = scanned.length, taps = inputs.length / 3 * 4;
      const newest = stored.subarray(at * taps, (at + 1) * taps).filter((_, i) => i % 4 > 0);
      for (
        const [found, expected] of [[inputs, newest], [scanned, all.subarray(at * size, (at + 1) * size)]]
      ) {
        const most = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
        found.forEach((x, i) =>
          assertLess(Math.abs(x - expected[i]), 1e-4 * most, `${name}, layer ${layer}`)
        );
      }
    }
  };
  await check("afterPrompt");
  const rows = value("decode.logits");
  for (const [i, id] of greedy.entries()) {
    if (i < rows.length / vocabularySize) {
      const expected = rows.subarray(i * vocabularySize, (i + 1) * vocabularySize);
      logits.forEach((x, j) => assertLess(Math.abs(x - expected[j]), 1e-3, `step ${i}`));
    }
    logits = await model.step(Int32Array.of(id), state);
    if (i === 0) await check("step1", layers - 1);
    if (i === 39) await check("step40", layers - 1);
  }
  assertEquals(state.length, 240);
});

Deno.test("mamba: the same bits on 1, 2 and 4 threads, and whole as in steps", async () => {
  const bits: Float32Array[] = [];
  for (const threads of [1, 2, 4]) {
    using device = await cpuDevice({ threads });
    using model = await loadModel("fixture:mamba", { device });
    bits.push(await model.logits(windows[0]));
  }
  assertEquals(bits[1], bits[0]);
  assertEquals(bits[2], bits[0]);
  using model = await loadModel("fixture:mamba");
  using state = model.createCache(600);
  assert(state !== null);
  const width = model.architecture.vocabularySize;
  await model.step(windows[0].subarray(0, 500), state);
  for (let i = 500; i < 512; i++) {
    assertEquals(
      await model.step(windows[0].subarray(i, i + 1), state),
      bits[0].slice(i * width, (i + 1) * width),
      `${i}`,
    );
  }
});
