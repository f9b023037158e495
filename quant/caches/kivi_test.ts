import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import fc from "fast-check";
import { oracleTensors, oracleWindows } from "../../eval/oracle.ts";
import { defaultDevice } from "../../kernels/default.ts";
import type { AttentionShape, Device } from "../../kernels/device.ts";
import { loadModel } from "../../model/load.ts";
import { ModelError } from "../../model/error.ts";
import { kivi, type KiviOptions } from "../methods/kivi.ts";
import { KiviCache } from "./kivi.ts";
import { KiviStore } from "./kivi/store.ts";
import { quantize } from "../quantize.ts";

const float32 = 2 ** -24;

function noise(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from(
    { length: count },
    () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 30 - 2,
  );
}

/** Queries, keys and values of a sequence, and how to run them through caches of one layer. */
class Sequence {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly shape: AttentionShape;

  constructor(readonly tokens: number, heads = 4, kvHeads = 2, headDim = 32) {
    this.shape = { tokens, kvTokens: tokens, heads, kvHeads, headDim, scale: 1 / Math.sqrt(headDim) };
    this.query = noise(tokens * heads * headDim, 1);
    this.key = noise(tokens * kvHeads * headDim, 2);
    this.value = noise(tokens * kvHeads * headDim, 3);
  }

  cache(device: Device, options: KiviOptions, capacity = this.tokens): KiviCache {
    const { kvHeads, headDim } = this.shape;
    return new KiviCache(device, kivi(options), { layers: 1, width: kvHeads * headDim, capacity });
  }

  /** Attention outputs `[tokens, heads * headDim]` of tokens `[from, to)`. */
  async run(device: Device, cache: KiviCache, from: number, to: number): Promise<Float32Array> {
    const { heads, kvHeads, headDim } = this.shape, tokens = to - from;
    const cut = (rows: Float32Array, width: number) => device.upload(rows.slice(from * width, to * width));
    using query = cut(this.query, heads * headDim);
    using key = cut(this.key, kvHeads * headDim);
    using value = cut(this.value, kvHeads * headDim);
    using output = device.allocate(tokens * heads * headDim);
    const shape = { ...this.shape, tokens, kvTokens: tokens };
    const attend = device.attention.bind(device);
    await cache.attend({ layer: 0, query, key, value, output, shape, attend });
    cache.advance(tokens);
    return await device.read(output);
  }
}

for (const [model, bits] of [["llama", 4], ["llama", 2], ["llama-outlier", 2]] as const) {
  Deno.test(`${model}: the ${bits}-bit cache of a prompt is the original code's, code for code`, async () => {
    const tensors = await oracleTensors(model);
    const [prompt] = await oracleWindows("prompt");
    using float = await loadModel(`fixture:${model}`);
    using quantized = await quantize(float, { kv: kivi({ bits, precision: "float32", prefill: "full" }) });
    using cache = quantized.createCache(prompt.length);
    assert(cache instanceof KiviCache);
    await quantized.step(prompt, cache);
    const keys = cache.keys[0], values = cache.values[0];
    const width = 128, headDim = 64, words = bits;

    // The original stores `[batch, head, channel, ...]` for keys and `[batch, head, token, ...]` for values, groups of
    // a row one after the other; here a block of 32 tokens holds its groups by head and channel.
    const key = (head: number, channel: number, block: number) => block * width + head * headDim + channel;
    const value = (head: number, token: number, part: number) => token * 4 + head * 2 + part;
    const places: Record<string, (head: number, row: number, i: number) => number> = {
      kCodes: (h, c, i) => keys.groups.words(key(h, c, Math.floor(i / words)))[i % words],
      vCodes: (h, t, i) => values.groups.words(value(h, t, Math.floor(i / words)))[i % words],
      kScale: (h, c, i) => keys.groups.scale(key(h, c, i)),
      vScale: (h, t, i) => values.groups.scale(value(h, t, i)),
      kMn: (h, c, i) => keys.groups.minimum(key(h, c, i)),
      vMn: (h, t, i) => values.groups.minimum(value(h, t, i)),
      kFull: (h, t, c) => keys.recent()[t * width + h * headDim + c],
      vFull: (h, t, c) => values.recent()[t * width + h * headDim + c],
    };
    for (const [name, ours] of Object.entries(places)) {
      const tensor = tensors.get(`kiviDecode${bits}.cache0.prefill.${name}`);
      assert(tensor !== undefined && tensor.data !== null, name);
      const [, heads, rows, columns] = tensor.shape;
      assertEquals(heads, 2);
      const expected = Array.from(tensor.data as ArrayLike<number>, Number);
      const found = expected.map((_, i) =>
        ours(Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns)
      );
      if (name.endsWith("Codes")) assertEquals(found.map((word) => word | 0), expected, name);
      else {
        // Sums of 256 products in another order: rounding errors add up to about sqrt(256) = 16 units of the largest
        // value in each of the two implementations; norm, rotation and range take a few more.
        const bound = 64 * float32 * Math.max(...expected.map(Math.abs));
        found.forEach((x, i) => assertLessOrEqual(Math.abs(x - expected[i]), bound, `${name} ${i}`));
      }
    }
    assertEquals([keys.length, keys.quantized, values.length, values.quantized], [200, 128, 200, 72]);
  });
}

Deno.test("at prompts of R - 1, R, R + 1 and 2R tokens whole blocks of keys and all but R values are packed", async () => {
  const device = await defaultDevice(), R = 64;
  for (const [tokens, keys, values] of [[R - 1, 0, 0], [R, R, 0], [R + 1, R, 1], [2 * R, 2 * R, R]]) {
    const sequence = new Sequence(tokens);
    const cache = sequence.cache(device, { residualLength: R });
    await sequence.run(device, cache, 0, tokens);
    assertEquals([cache.keys[0].quantized, cache.values[0].quantized], [keys, values], `${tokens} tokens`);
  }
});

Deno.test("token by token the cache becomes what the prompt at once makes it", async () => {
  const device = await defaultDevice();
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        tokens: fc.integer({ min: 2, max: 100 }),
        groupSize: fc.constantFrom(4, 8, 16),
        blocks: fc.integer({ min: 1, max: 4 }),
        bits: fc.integer({ min: 1, max: 8 }),
        keyAxis: fc.constantFrom<"channel" | "token">("channel", "token"),
        precision: fc.constantFrom<"float16" | "float32">("float16", "float32"),
      }),
      fc.nat(),
      async ({ tokens, blocks, ...options }, cut) => {
        const sequence = new Sequence(tokens, 2, 1, 16);
        const settings = { ...options, residualLength: blocks * options.groupSize };
        const whole = sequence.cache(device, settings), steps = sequence.cache(device, settings);
        await sequence.run(device, whole, 0, tokens);
        const first = 1 + cut % (tokens - 1);
        await sequence.run(device, steps, 0, first);
        await sequence.run(device, steps, first, tokens);
        for (const side of ["keys", "values"] as const) {
          assertEquals(steps[side][0].quantized, whole[side][0].quantized);
          assertEquals(steps[side][0].dequantize(), whole[side][0].dequantize());
        }
        assertEquals(steps.byteLength, whole.byteLength);
      },
    ),
    { numRuns: 30 },
  );
});

/** Attention of the last token in float64, and a bound on the error of attention in float32. */
function attentionTwin(
  sequence: Sequence,
  t: number,
  keys: Float32Array,
  values: Float32Array,
  dequantization: number,
): { output: number[]; bounds: number[] } {
  const { heads, kvHeads, headDim, scale } = sequence.shape;
  const output: number[] = [], bounds: number[] = [];
  const tokens = t + 1, width = kvHeads * headDim;
  for (let head = 0; head < heads; head++) {
    const offset = Math.floor(head * kvHeads / heads) * headDim;
    const q = (d: number) => sequence.query[(t * heads + head) * headDim + d];
    const scores: number[] = [];
    let delta = 0;
    for (let j = 0; j < tokens; j++) {
      let score = 0, size = 0;
      for (let d = 0; d < headDim; d++) {
        const product = q(d) * keys[j * width + offset + d];
        score += product;
        size += Math.abs(product);
      }
      scores.push(score * scale);
      // Products and sums of headDim terms, the factor, and the keys' own roundings.
      delta = Math.max(delta, scale * size * ((headDim + 2) * float32 + dequantization));
    }
    const most = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - most));
    const total = weights.reduce((a, b) => a + b, 0);
    for (let d = 0; d < headDim; d++) {
      let sum = 0, largest = 0;
      for (let j = 0; j < tokens; j++) {
        sum += weights[j] * values[j * width + offset + d];
        largest = Math.max(largest, Math.abs(values[j * width + offset + d]));
      }
      output.push(sum / total);
      // A score error of delta changes a softmax weight by at most e^(2 delta) - 1 (4 delta is more, for delta < 0.6);
      // the exponential is good to 4 units, and tokens terms are added twice.
      bounds.push(largest * (4 * delta + (2 * tokens + 8) * float32 + dequantization));
    }
  }
  return { output, bounds };
}

for (const precision of ["float16", "float32"] as const) {
  Deno.test(`packed and simulated attention stay within rounding of float64, ${precision}, 200 tokens`, async () => {
    const device = await defaultDevice();
    // What reading back costs: a product and a sum rounded to the precision; packed attention rounds neither.
    const dequantization = 4 * (precision === "float16" ? 2 ** -11 : float32);
    for (const [heads, kvHeads] of [[4, 2], [4, 1], [2, 2]]) {
      const sequence = new Sequence(200, heads, kvHeads);
      const settings = { keyBits: 4, valueBits: 2, residualLength: 64, precision };
      const packed = sequence.cache(device, { ...settings, execution: "packed" });
      const simulated = sequence.cache(device, { ...settings, execution: "simulated" });
      const prompt = 150;
      await sequence.run(device, packed, 0, prompt);
      await sequence.run(device, simulated, 0, prompt);
      for (let t = prompt; t < 200; t++) {
        // What this token attends over: all that is held before it gets packed, and the token itself.
        const seen = (store: KiviStore, rows: Float32Array) => {
          const { width } = store.shape, held = store.dequantize();
          const all = new Float32Array(held.length + width);
          all.set(held);
          const row = rows.slice(t * width, (t + 1) * width);
          all.set(precision === "float16" ? Float16Array.from(row) : row, held.length);
          return all;
        };
        const { output, bounds } = attentionTwin(
          sequence,
          t,
          seen(packed.keys[0], sequence.key),
          seen(packed.values[0], sequence.value),
          dequantization,
        );
        for (const cache of [packed, simulated]) {
          const found = await sequence.run(device, cache, t, t + 1);
          output.forEach((y, i) => assertLessOrEqual(Math.abs(found[i] - y), bounds[i], `token ${t}, ${i}`));
        }
      }
      assertEquals(packed.keys[0].dequantize(), simulated.keys[0].dequantize());
    }
  });
}

Deno.test("keys and values may have different bits: each side is as if alone", async () => {
  const device = await defaultDevice(), sequence = new Sequence(130);
  const held = async (options: KiviOptions) => {
    const cache = sequence.cache(device, { residualLength: 64, ...options });
    await sequence.run(device, cache, 0, 130);
    return { key: cache.keys[0].dequantize(), value: cache.values[0].dequantize() };
  };
  const mixed = await held({ keyBits: 4, valueBits: 2 });
  assertEquals(mixed.key, (await held({ bits: 4 })).key);
  assertEquals(mixed.value, (await held({ bits: 2 })).value);
});

Deno.test("keys that do not change over a block are kept exactly", async () => {
  const device = await defaultDevice(), sequence = new Sequence(96);
  sequence.key.fill(0.75);
  for (const keyAxis of ["channel", "token"] as const) {
    const cache = sequence.cache(device, { residualLength: 32, keyAxis });
    const output = await sequence.run(device, cache, 0, 96);
    assertEquals(cache.keys[0].quantized, 96);
    assertEquals(cache.keys[0].dequantize(), sequence.key);
    assert(output.every(Number.isFinite));
  }
});

Deno.test("bytes are codes, a scale and a minimum per group, and the recent tokens", async () => {
  const device = await defaultDevice(), tokens = 300, width = 64, R = 128, g = 32;
  const sequence = new Sequence(tokens);
  for (const bits of [2, 4, 8]) {
    for (const [precision, bytes] of [["float16", 2], ["float32", 4]] as const) {
      const cache = sequence.cache(device, { bits, groupSize: g, residualLength: R, precision });
      await sequence.run(device, cache, 0, tokens);
      const store = (packed: number) =>
        packed * width * (bits / 8 + 2 * bytes / g) + (tokens - packed) * width * bytes;
      assertEquals(cache.byteLength, store(tokens - tokens % R) + store(tokens - R));
    }
  }
  const empty = sequence.cache(device, {});
  assertEquals(empty.byteLength, 0);
});

Deno.test("tokens beyond the capacity are refused, and so is a capacity beyond the model's positions", async () => {
  const device = await defaultDevice(), sequence = new Sequence(40);
  const cache = sequence.cache(device, {}, 32);
  await sequence.run(device, cache, 0, 32);
  const error = await assertRejects(() => sequence.run(device, cache, 32, 33), ModelError, "32");
  assertEquals(error.code, "positions");

  using float = await loadModel("fixture:llama");
  using quantized = await quantize(float, { kv: kivi() });
  const tooLong = await assertRejects(
    () => Promise.resolve().then(() => quantized.createCache(2049)),
    ModelError,
    "2048 positions",
  );
  assertEquals(tooLong.code, "positions");
});
