/** Tests of attention on every device: windows, soft caps, position biases, groups, prefill against decoding. */

import {
  type Accuracy,
  assertSameBits,
  type Case,
  gamma,
  Random,
  testCases,
  testedDevices,
  u,
} from "./device_suite.ts";
import type { AttentionShape, Device, DeviceBuffer } from "./device.ts";
import { attentionProbabilities, visibleKeys } from "./reference/attention.ts";

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

  constructor(readonly shape: AttentionShape, sloped: boolean) {
    const { tokens, kvTokens, heads, kvHeads, headDim } = shape;
    this.q = random.normal(tokens * heads * headDim);
    // The cache is longer than the tokens in it.
    this.k = random.normal((kvTokens + 3) * kvHeads * headDim);
    this.v = random.normal((kvTokens + 3) * kvHeads * headDim);
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
