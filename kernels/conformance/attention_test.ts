/** Tests of attention on every device: windows, soft caps, position biases, groups, prefill against decoding. */

import { assertEquals, assertThrows } from "@std/assert";
import {
  type Accuracy,
  assertSameBits,
  type Case,
  gamma,
  Random,
  testCases,
  testedDevices,
  u,
} from "./suite.ts";
import type { AttentionShape, Device, DeviceBuffer, PackedTokens } from "../device.ts";
import { DeviceError } from "../error.ts";
import { referenceDevice } from "../reference.ts";
import { attentionProbabilities } from "../reference/attention.ts";
import { visibleKeys } from "../host/functions.ts";

const random = new Random(2);

/** Inputs of one attention, with the bounds of its outputs. */
class Sample {
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly slopes: Float32Array | null;
  readonly #p: Float64Array;
  /** Row errors, computed once per row and accuracy. */
  readonly #errors = new Map<Accuracy, Float64Array>();
  readonly #fusedErrors = new Map<Accuracy, Float64Array>();

  constructor(readonly shape: AttentionShape, sloped: boolean, k?: Float32Array, v?: Float32Array) {
    const { tokens, kvTokens, heads, kvHeads, headDim } = shape;
    this.q = random.normal(tokens * heads * headDim);
    // The cache is longer than the tokens in it.
    this.k = k ?? random.normal((kvTokens + 3) * kvHeads * headDim);
    this.v = v ?? random.normal((kvTokens + 3) * kvHeads * headDim);
    this.slopes = sloped ? Float32Array.from({ length: heads }, (_, head) => 2 ** -(head + 1)) : null;
    this.#p = new Float64Array(heads * tokens * kvTokens);
    attentionProbabilities(this.q, this.k, this.#p, shape, this.slopes);
  }

  get name(): string {
    return JSON.stringify({ ...this.shape, slopes: this.slopes !== null });
  }

  /**
   * The relative error of the probabilities of one row. A score has the error of its dot product (headDim + 2
   * roundings, relative to the sum of |q k|); of the soft cap (a division, tanh with exp + 4 roundings and at most 8,
   * a product); of the bias (two roundings of it); and of the additions. Subtracting the maximum doubles it and rounds
   * once more; exp adds its own error; the sum and the division do all of that again, and round.
   */
  #rowError(head: number, token: number, accuracy: Accuracy, fused: boolean): number {
    const { heads, tokens } = this.shape;
    const known = fused ? this.#fusedErrors : this.#errors;
    const errors = known.get(accuracy) ?? new Float64Array(heads * tokens);
    known.set(accuracy, errors);
    return errors[head * tokens + token] ||= this.#computeRowError(head, token, accuracy, fused);
  }

  #computeRowError(head: number, token: number, accuracy: Accuracy, fused: boolean): number {
    const { exp, division, rowSum, attentionSum } = accuracy;
    const { tokens, kvTokens, heads, kvHeads, headDim, scale, softcap } = this.shape;
    const kvHead = Math.floor(head * kvHeads / heads);
    const [first, end] = visibleKeys(token, this.shape);
    const row = this.#p.subarray(
      (head * tokens + token) * kvTokens + first,
      (head * tokens + token) * kvTokens + end,
    );
    const spread = Math.log(Math.max(...row) / Math.min(...row));
    let worst = 0;
    for (let j = first; j < end; j++) {
      let size = 0;
      for (let d = 0; d < headDim; d++) {
        size += Math.abs(
          this.q[(token * heads + head) * headDim + d] * this.k[(j * kvHeads + kvHead) * headDim + d],
        );
      }
      size *= Math.abs(scale);
      const cap = softcap === undefined
        ? 0
        : Math.min(size, softcap) * gamma(Math.max(8, exp + 3 + division) + 2 + division);
      const bias = this.slopes ? Math.abs(this.slopes[head] * (j - end + 1)) : 0;
      worst = Math.max(worst, gamma(headDim + 2) * size + cap + u * (size + 3 * bias));
    }
    const sum = fused ? attentionSum(end - first, spread) : rowSum(end - first);
    return Math.expm1(2 * (2 * worst + (exp + 1 + spread) * u) + sum + (2 + division) * u);
  }

  /** Bound of a probability. */
  probabilityBound(i: number, expected: number, accuracy: Accuracy): number {
    const { tokens, kvTokens } = this.shape;
    const row = Math.floor(i / kvTokens);
    return expected * (this.#rowError(Math.floor(row / tokens), row % tokens, accuracy, false) + u) +
      accuracy.underflow;
  }

  /** Bound of an output: probabilities with their error, and a dot product over the visible keys. */
  outputBound(i: number, expected: number, accuracy: Accuracy, materialised = false): number {
    const { tokens, kvTokens, heads, kvHeads, headDim } = this.shape;
    const d = i % headDim, head = Math.floor(i / headDim) % heads, token = Math.floor(i / headDim / heads);
    const kvHead = Math.floor(head * kvHeads / heads);
    const [first, end] = visibleKeys(token, this.shape);
    let size = 0;
    for (let j = first; j < end; j++) {
      const p = this.#p[(head * tokens + token) * kvTokens + j];
      size += p * Math.abs(this.v[(j * kvHeads + kvHead) * headDim + d]);
    }
    const error = materialised ? 2 * u : this.#rowError(head, token, accuracy, true) + u;
    return size * (error + gamma(end - first + 1)) + u * Math.abs(expected) +
      accuracy.underflow * (end - first);
  }

  /** Uploads the operands and calls `run`. */
  async with(
    device: Device,
    outputs: number,
    run: (
      operands: { q: DeviceBuffer; k: DeviceBuffer; v: DeviceBuffer; y: DeviceBuffer; shape: AttentionShape },
    ) => void,
  ): Promise<Float32Array> {
    using q = device.upload(this.q), k = device.upload(this.k), v = device.upload(this.v);
    using y = device.allocate(outputs), slopes = device.upload(this.slopes ?? new Float32Array(1));
    run({ q, k, v, y, shape: this.slopes ? { ...this.shape, slopes } : this.shape });
    return await device.read(y);
  }

  cases(): Case[] {
    const { tokens, kvTokens, heads } = this.shape;
    return [{
      name: `attention ${this.name}`,
      run: (device) =>
        this.with(device, this.q.length, ({ q, k, v, y, shape }) => device.attention(q, k, v, y, shape)),
      bound: (i, expected, accuracy) => this.outputBound(i, expected, accuracy),
    }, {
      name: `probabilities ${this.name}`,
      run: (device) =>
        this.with(device, heads * tokens * kvTokens, ({ q, k, y, shape }) => {
          device.attentionProbabilities(q, k, y, shape);
        }),
      bound: (i, expected, accuracy) => this.probabilityBound(i, expected, accuracy),
    }, {
      name: `values ${this.name}`,
      run: (device) =>
        this.with(device, this.q.length, ({ v, y, shape }) => {
          using p = device.upload(Float32Array.from(this.#p));
          device.attentionValues(p, v, y, shape);
        }),
      bound: (i, expected, accuracy) => this.outputBound(i, expected, accuracy, true),
    }];
  }
}

const plain = { heads: 1, kvHeads: 1, headDim: 4, scale: 0.5 };
const samples = [
  new Sample({ ...plain, tokens: 1, kvTokens: 1 }, false),
  new Sample({ ...plain, tokens: 3, kvTokens: 3, headDim: 5 }, false),
  new Sample({ ...plain, tokens: 1, kvTokens: 300, heads: 4, kvHeads: 2, headDim: 32, scale: 0.18 }, false),
  new Sample({ ...plain, tokens: 67, kvTokens: 67, heads: 6, kvHeads: 2, headDim: 13, scale: 0.3 }, false),
  new Sample({ ...plain, tokens: 130, kvTokens: 301, heads: 3, kvHeads: 3, headDim: 16, scale: 0.25 }, true),
  new Sample({ ...plain, tokens: 71, kvTokens: 290, heads: 4, kvHeads: 1, headDim: 24, window: 19 }, false),
  new Sample(
    { ...plain, tokens: 40, kvTokens: 45, heads: 2, kvHeads: 1, headDim: 8, softcap: 2, scale: 3 },
    false,
  ),
  new Sample(
    { ...plain, tokens: 9, kvTokens: 9, heads: 60, kvHeads: 1, headDim: 7, softcap: 5, window: 1 },
    true,
  ),
  // One dimension: scores without a sum, so that the bound is tight enough to hold the soft cap to account.
  new Sample({ ...plain, tokens: 1, kvTokens: 700, headDim: 1, scale: 1, softcap: 1.5 }, false),
];

/** One side of a packed cache: what a device holds, and the float32 values that it stands for, which are exact. */
class PackedSide {
  readonly words: Uint32Array;
  readonly ranges: Float32Array;
  readonly recent: Float32Array;
  readonly values: Float32Array;

  constructor(
    readonly shape: Pick<PackedTokens, "bits" | "groupSize" | "axis" | "quantized" | "recentTokens">,
    tokens: number,
    width: number,
  ) {
    const { bits, groupSize, axis, quantized, recentTokens } = shape;
    const groups = quantized * width / groupSize, perWord = Math.floor(32 / bits);
    const wordsOfGroup = Math.ceil(groupSize / perWord);
    this.words = Uint32Array.from(
      { length: groups * wordsOfGroup },
      () => Math.floor(2 ** 32 * random.next()),
    );
    // Multiples of 1/16, so that scale * code + minimum needs no rounding.
    const sixteenths = (most: number) => Math.floor(most * random.next()) / 16;
    this.ranges = Float32Array.from(
      { length: 2 * groups },
      (_, i) => i % 2 ? -sixteenths(32) : sixteenths(5),
    );
    this.recent = random.normal(recentTokens * width);
    this.values = new Float32Array(tokens * width);
    for (let t = 0; t < tokens; t++) {
      for (let channel = 0; channel < width; channel++) {
        const at = t * width + channel;
        const group = axis === "token"
          ? Math.floor(at / groupSize)
          : Math.floor(t / groupSize) * width + channel;
        const i = (axis === "token" ? channel : t) % groupSize;
        const word = this.words[group * wordsOfGroup + Math.floor(i / perWord)];
        const code = (word >>> (bits * (i % perWord))) % 2 ** bits;
        this.values[at] = t < quantized
          ? this.ranges[2 * group] * code + this.ranges[2 * group + 1]
          : this.recent[t % recentTokens * width + channel];
      }
    }
  }

  upload(device: Device): PackedTokens & Disposable {
    const words = device.upload(new Float32Array(this.words.buffer)), ranges = device.upload(this.ranges);
    const recent = device.upload(this.recent);
    return {
      ...this.shape,
      words,
      ranges,
      recent,
      [Symbol.dispose]() {
        for (const buffer of [words, ranges, recent]) buffer[Symbol.dispose]();
      },
    };
  }
}

/** Attention over a packed cache is attention over its values, on the reference device too. */
function packedCase(
  shape: Omit<AttentionShape, "tokens" | "slopes">,
  keys: PackedSide["shape"],
  values: PackedSide["shape"],
): Case {
  const width = shape.kvHeads * shape.headDim;
  const left = new PackedSide(keys, shape.kvTokens, width);
  const right = new PackedSide(values, shape.kvTokens, width);
  const sample = new Sample({ ...shape, tokens: 1 }, false, left.values, right.values);
  return {
    name: `packed attention ${sample.name}, ${JSON.stringify([keys, values])}`,
    run: (device) =>
      sample.with(device, sample.q.length, ({ q, k, v, y, shape }) => {
        if (device.name === "reference") return device.attention(q, k, v, y, shape);
        using keys = left.upload(device), values = right.upload(device);
        device.packedAttention(q, keys, values, y, shape);
      }),
    bound: (i, expected, accuracy) => sample.outputBound(i, expected, accuracy),
  };
}

const side = { bits: 2, groupSize: 8, axis: "channel", quantized: 64, recentTokens: 9 } as const;
testCases("packedAttention", [
  packedCase({ ...plain, kvTokens: 1 }, { ...side, quantized: 0 }, { ...side, quantized: 0 }),
  packedCase(
    { ...plain, kvTokens: 73, heads: 4, kvHeads: 2, headDim: 32, scale: 0.18 },
    side,
    { ...side, axis: "token", quantized: 70 },
  ),
  // Three bits do not fill a word; keys along tokens, values along channels.
  packedCase(
    { ...plain, kvTokens: 200, heads: 3, kvHeads: 1, headDim: 24, scale: 0.2 },
    { ...side, bits: 3, axis: "token", groupSize: 12, quantized: 199 },
    { ...side, bits: 5, groupSize: 20, quantized: 180, recentTokens: 33 },
  ),
  packedCase(
    { ...plain, kvTokens: 130, heads: 2, kvHeads: 2, headDim: 8, softcap: 3, window: 70 },
    { ...side, bits: 8, groupSize: 64, quantized: 128 },
    { ...side, bits: 1, axis: "token", quantized: 130 },
  ),
]);

for (const tested of [{ name: "reference", open: () => referenceDevice() }, ...testedDevices]) {
  Deno.test(`packedAttention: the plain example, and misuse (${tested.name})`, async () => {
    const device = await tested.open();
    // Two tokens with the keys 1 and 3 (codes 0 and 2 of scale 1 above 1) and the values 10 and 20; q = 0 weighs them
    // alike.
    const packed = { bits: 2, groupSize: 2, axis: "channel", quantized: 2, recentTokens: 1 } as const;
    using words = device.upload(new Float32Array(Uint32Array.of(0b1000).buffer));
    using ranges = device.upload(Float32Array.of(1, 1)), q = device.upload(Float32Array.of(0));
    using recent = device.upload(Float32Array.of(20)), y = device.allocate(1);
    using others = device.upload(Float32Array.of(5, 10));
    const keys = { ...packed, words, ranges, recent };
    const values = { ...packed, words, ranges: others, recent };
    const shape = { tokens: 1, kvTokens: 2, heads: 1, kvHeads: 1, headDim: 1, scale: 1 };
    device.packedAttention(q, keys, values, y, shape);
    // 10 + 0 * 5 and 10 + 2 * 5.
    assertEquals(await device.read(y), Float32Array.of(15));
    const misuse: [Partial<PackedTokens>, Partial<AttentionShape>, string][] = [
      [{}, { tokens: 2 }, "tokens is 2: expected an integer, 1 to 1"],
      [{}, { slopes: q }, "slopes are given: expected none"],
      [{ bits: 9 }, {}, "keys.bits is 9"],
      [{ groupSize: 3 }, {}, "keys.groupSize is 3: expected a divisor of 2 quantized tokens"],
      [{ quantized: 3 }, {}, "keys.quantized is 3: expected an integer, 0 to 2"],
      [{ recentTokens: 0 }, {}, "keys.recentTokens is 0"],
      [{ ranges: q }, {}, "keys.ranges holds 1 elements: expected at least 2"],
    ];
    for (const [part, other, message] of misuse) {
      const call = () => device.packedAttention(q, { ...keys, ...part }, values, y, { ...shape, ...other });
      assertThrows(call, DeviceError, `packedAttention: ${message}`);
    }
  });
}

testCases("attention", samples.flatMap((sample) => sample.cases()));

// A value that is not a number reaches the queries that see it, and no other.
const poisoned = [NaN, Infinity].flatMap((special) => {
  const sample = new Sample({
    ...plain,
    tokens: 60,
    kvTokens: 64,
    heads: 2,
    kvHeads: 1,
    headDim: 9,
    window: 20,
  }, false);
  sample.v[30 * 9 + 4] = special;
  sample.k[50 * 9] = special;
  return sample.cases().slice(0, 1).map((one): Case => ({ ...one, name: `${one.name} with ${special}` }));
});
testCases("attention with values that are not finite", poisoned);

for (const tested of testedDevices) {
  Deno.test(`attention: a query has the same bits in prefill and in decoding (${tested.name})`, async () => {
    const device = await tested.open();
    for (const sample of samples) {
      const { tokens, kvTokens, heads, headDim } = sample.shape;
      const size = heads * headDim;
      const prefill = await sample.with(device, tokens * size, ({ q, k, v, y, shape }) => {
        device.attention(q, k, v, y, shape);
      });
      const decoded = await sample.with(device, tokens * size, ({ q, k, v, y, shape }) => {
        using query = device.allocate(size), row = device.allocate(size);
        for (let token = 0; token < tokens; token++) {
          device.copy(q, token * size, query, 0, size);
          device.attention(query, k, v, row, {
            ...shape,
            tokens: 1,
            kvTokens: kvTokens - tokens + token + 1,
          });
          device.copy(row, 0, y, token * size, size);
        }
      });
      assertSameBits(decoded, prefill, sample.name);
    }
  });
}
