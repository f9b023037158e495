import { assert, assertAlmostEquals, assertEquals, assertLess, assertRejects } from "@std/assert";
import { pathOf } from "../base/file.ts";
import { oracle, oracleTensors, oracleWindows } from "../eval/oracle.ts";
import { perplexity } from "../eval/metrics/perplexity.ts";
import { cpuDevice } from "../kernels/cpu/device.ts";
import { referenceDevice } from "../kernels/reference.ts";
import { onSoftwareGpu } from "../kernels/conformance/software_gpu.ts";
import { DenseCache } from "./decoder/cache.ts";
import { CheckpointError } from "./files/error.ts";
import { loadModel } from "./load.ts";
import { ModelError } from "./error.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";

const windows = await oracleWindows("test");

Deno.test("logits of a window are transformers' within float32 rounding", async () => {
  for (const name of ["llama", "llama-outlier", "opt"]) {
    using model = await loadModel(`fixture:${name}`);
    const { vocabularySize, layers, intermediateSize } = model.architecture;
    const logits = await model.logits(windows[0]);
    const tensors = await oracleTensors(name);
    const first = tensors.get("fp32.logits.test0.pos0_16")?.data as Float32Array;
    const last = tensors.get("fp32.logits.test0.last")?.data as Float32Array;
    const size = Math.max(...last.map(Math.abs));
    // Two float32 implementations: each layer adds two sums of up to `intermediateSize` products to the residual, with
    // relative rounding errors that grow as the root of the number of terms; the outlier model's scales cancel exactly.
    const bound = size * 2 ** -24 * 2 * (2 * layers + 1) * Math.sqrt(intermediateSize);
    for (let i = 0; i < first.length; i++) {
      assertAlmostEquals(logits[i], first[i], bound, `${name} logit ${i}`);
    }
    const offset = (windows[0].length - 1) * vocabularySize;
    for (let i = 0; i < last.length; i++) {
      assertAlmostEquals(logits[offset + i], last[i], bound, `${name} last logit ${i}`);
    }
  }
});

Deno.test(
  "perplexity of 2048-token windows is the original code's within 1e-4",
  { ignore: onSoftwareGpu },
  async () => {
    const long = (await oracleWindows("long")).slice(0, 1);
    for (const name of ["llama", "opt"]) {
      using model = await loadModel(`fixture:${name}`);
      const expected = (await oracle(name, "fp32")) as { windowNllLong?: number[] };
      assert(expected.windowNllLong !== undefined);
      assertAlmostEquals((await perplexity(model, long)).windowNll[0], expected.windowNllLong[0], 1e-4);
    }
  },
);

Deno.test("decoding with a cache gives the logits of the whole sequence, in any split", async () => {
  for (const name of ["llama", "opt"]) {
    using model = await loadModel(`fixture:${name}`);
    const { layers, kvHeads, headDim, vocabularySize } = model.architecture;
    const ids = windows[0].slice(0, 24);
    const whole = await model.logits(ids);
    using cache = new DenseCache(model.device, layers, kvHeads * headDim, ids.length);
    const parts: Float32Array[] = [];
    for (const [from, to] of [[0, 7], [7, 8], [8, 20], [20, 24]]) {
      parts.push(await model.step(ids.slice(from, to), cache, false));
    }
    assertEquals(cache.length, ids.length);
    assertEquals(cache.byteLength, layers * 2 * ids.length * kvHeads * headDim * 4);
    let at = 0;
    for (const part of parts) {
      for (const value of part) assertAlmostEquals(value, whole[at++], 2e-4);
    }
    assertEquals(at, ids.length * vocabularySize);
  }
});

Deno.test("greedy generation repeats itself and stops where it is told", async () => {
  using model = await loadModel("fixture:llama");
  const prompt = model.tokenizer.encode("My fellow citizens");
  const greedy = await model.generate(prompt, { maxNewTokens: 12, stop: [] });
  assertEquals(greedy.length, 12);
  // Each token is the most likely one after what stands before it.
  const logits = await model.logits(Int32Array.of(...prompt, ...greedy));
  const { vocabularySize } = model.architecture;
  for (const [i, id] of greedy.entries()) {
    const row = logits.subarray(
      (prompt.length - 1 + i) * vocabularySize,
      (prompt.length + i) * vocabularySize,
    );
    assertAlmostEquals(row[id], row.reduce((a, b) => Math.max(a, b)), 1e-3);
  }
  assertEquals(
    await model.generate(prompt, { maxNewTokens: 12, stop: [greedy[5]] }),
    greedy.slice(0, greedy.indexOf(greedy[5])),
  );
  const sampled = () =>
    model.generate(prompt, { maxNewTokens: 8, temperature: 1, topK: 50, topP: 0.95, seed: 7, stop: [] });
  assertEquals(await sampled(), await sampled());
  await assertRejects(() => model.generate(prompt, { temperature: -1 }), ModelError, "temperature is -1");
});

Deno.test("a streaming model computes the same and holds less", async () => {
  const ids = windows[0].slice(0, 32);
  const measured: { logits: Float32Array; held: number }[] = [];
  for (const streaming of [false, true]) {
    using device = await cpuDevice({ threads: 1 });
    using model = await loadModel("fixture:llama", { device, streaming });
    const logits = await model.logits(ids);
    await Promise.resolve();
    measured.push({ logits, held: device.memory.used });
  }
  assertEquals(measured[1].logits, measured[0].logits);
  assertLess(measured[1].held, measured[0].held / 2);
});

Deno.test("the float64 twin agrees with the kernels", async () => {
  const ids = windows[1].slice(0, 16);
  using twin = await loadModel("fixture:opt-outlier", { device: referenceDevice() });
  using model = await loadModel("fixture:opt-outlier");
  const expected = await twin.logits(ids), logits = await model.logits(ids);
  for (const [i, value] of expected.entries()) assertAlmostEquals(logits[i], value, 2e-4);
});

Deno.test("bad input is refused before anything is computed", async () => {
  using model = await loadModel("fixture:llama");
  const code = async (run: () => Promise<unknown>) => (await assertRejects(run, ModelError)).code;
  assertEquals(await code(() => model.logits(new Int32Array(2049))), "positions");
  assertEquals(await code(() => model.logits(new Int32Array(0))), "empty");
  assertEquals(await code(() => model.logits(Int32Array.of(5, 2048))), "token");
  assertEquals(await code(() => model.logits(Int32Array.of(-1))), "token");
  assertEquals(await code(() => loadModel("fixture:gpt")), "family");
  await assertRejects(() => loadModel("./no/such/model"), CheckpointError, "no such file");
  const gone = await loadModel("fixture:llama");
  gone[Symbol.dispose]();
  assertEquals(await code(() => gone.logits(Int32Array.of(1))), "disposed");
});

Deno.test("checkpoints with a wrong shape, a NaN or an unknown family are refused by name", async () => {
  const source = pathOf(new URL("../fixtures/models/llama/", import.meta.url));
  const directory = await Deno.makeTempDir();
  try {
    for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json"]) {
      await Deno.copyFile(source + file, `${directory}/${file}`);
    }
    const tensors = await readSafetensors(`${source}model.safetensors`);
    const write = async (change: (copy: typeof tensors) => void) => {
      const copy = new Map(tensors);
      change(copy);
      await writeSafetensors(`${directory}/model.safetensors`, copy);
    };
    const name = "model.layers.1.mlp.up_proj.weight";
    const weight = tensors.get(name);
    assert(weight !== undefined);
    await write((copy) => copy.set(name, { ...weight, shape: [256, 512] }));
    await assertRejects(() => loadModel(directory), CheckpointError, name);
    await write((copy) => copy.delete(name));
    await assertRejects(() => loadModel(directory), CheckpointError, name);
    const data = Float32Array.from(weight.data as Float32Array);
    data[77] = NaN;
    await write((copy) => copy.set(name, { ...weight, data }));
    using model = await loadModel(directory);
    const error = await assertRejects(() => model.logits(Int32Array.of(1, 2)), CheckpointError, name);
    assertEquals(error.code, "nan");
    const config = JSON.parse(await Deno.readTextFile(`${source}config.json`));
    await Deno.writeTextFile(
      `${directory}/config.json`,
      JSON.stringify({ ...config, model_type: "__proto__" }),
    );
    await assertRejects(() => loadModel(directory), ModelError, 'model_type is "__proto__"');
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
