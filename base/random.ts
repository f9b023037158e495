/** Python's and PyTorch's random numbers: the same seed gives the windows and the rotations of the papers' code. */
import { cos, log, pow, sin } from "./elementary.ts";
import { QuantbookError } from "./error.ts";

/** A bound, seed or count is not accepted; code `"range"`. */
export class RandomError extends QuantbookError {}

const size = 624;

/** The Mersenne Twister MT19937 (M. Matsumoto and T. Nishimura, "Mersenne Twister", ACM TOMACS 8, 1998). */
class MersenneTwister {
  readonly #state = new Uint32Array(size);
  #next = size;

  /** Seeds with one word, and stirs in the words of `key`, if there are any (`init_genrand`, `init_by_array`). */
  constructor(seed: number, key: readonly number[] = []) {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < size; i++) {
      state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    }
    if (key.length === 0) return;
    let i = 1;
    for (let k = 0; k < size; k++) {
      const j = k % key.length;
      state[i] = (state[i] ^ Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), 1664525)) + key[j] + j;
      if (++i === size) [state[0], i] = [state[size - 1], 1];
    }
    for (let k = 1; k < size; k++) {
      state[i] = (state[i] ^ Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), 1566083941)) - i;
      if (++i === size) [state[0], i] = [state[size - 1], 1];
    }
    state[0] = 0x80000000;
  }

  /** 32 random bits. */
  word(): number {
    if (this.#next === size) this.#twist();
    let y = this.#state[this.#next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < size; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % size] & 0x7fffffff);
      state[i] = state[(i + 397) % size] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}

/**
 * The Mersenne Twister with the methods of Python's `random.Random`.
 *
 * Source: CPython `Modules/_randommodule.c` and `Lib/random.py`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const random = new PythonRandom(0);
 * assertEquals([random.randint(0, 999999), random.randint(0, 999999)], [885440, 403958]);
 * ```
 */
export class PythonRandom {
  readonly #words: MersenneTwister;

  /** Seeds as `random.seed(seed)` does with an integer from 0 to 2^53 - 1. */
  constructor(seed: number) {
    requireInteger("seed", seed, 0);
    const key = [seed >>> 0];
    if (seed >= 2 ** 32) key.push(Math.floor(seed / 2 ** 32));
    this.#words = new MersenneTwister(19650218, key);
  }

  /** A number of `bits` random bits, 1 to 53. */
  getrandbits(bits: number): number {
    requireInteger("bits", bits, 1, 53);
    if (bits <= 32) return this.#words.word() >>> (32 - bits);
    const low = this.#words.word();
    return (this.#words.word() >>> (64 - bits)) * 2 ** 32 + low;
  }

  /** An integer from `low` to `high`, both included. */
  randint(low: number, high: number): number {
    requireInteger("low", low, Number.MIN_SAFE_INTEGER);
    requireInteger("high", high, low);
    return low + this.#below(high - low + 1);
  }

  /** A number from 0 (included) to 1 (excluded), of 53 random bits. */
  random(): number {
    const high = this.#words.word() >>> 5;
    return (high * 2 ** 26 + (this.#words.word() >>> 6)) / 2 ** 53;
  }

  /** Shuffles `items` in place. */
  shuffle<T>(items: T[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.#below(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
  }

  /** `count` different items, in random order; `items` is unchanged. */
  sample<T>(items: readonly T[], count: number): T[] {
    const n = items.length;
    requireInteger("count", count, 0, n);
    // Python draws from a shrinking pool or rejects repeats, whichever needs less memory; the draws differ.
    const setSize = count > 5 ? 21 + pow(4, Math.ceil(log(count * 3) / log(4))) : 21;
    if (n <= setSize) {
      const pool = items.slice();
      return Array.from({ length: count }, (_, i) => {
        const j = this.#below(n - i);
        const item = pool[j];
        pool[j] = pool[n - i - 1];
        return item;
      });
    }
    const chosen = new Set<number>();
    while (chosen.size < count) chosen.add(this.#below(n));
    return Array.from(chosen, (j) => items[j]);
  }

  /** An integer from 0 to n - 1: draws of just enough bits until one is below n. */
  #below(n: number): number {
    const bits = n.toString(2).length;
    let value = this.getrandbits(bits);
    while (value >= n) value = this.getrandbits(bits);
    return value;
  }
}

/**
 * The Mersenne Twister as PyTorch draws from it on a CPU after `torch.manual_seed(seed)`: what a paper's code gets from
 * `torch.randint` and `torch.randn`.
 *
 * Source: PyTorch `aten/src/ATen/native/cpu/DistributionTemplates.h` and `core/DistributionsHelper.h`, read for the order of draws.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals([...new TorchRandom(0).signs(4)], [-1, 1, 1, -1]);
 * ```
 */
export class TorchRandom {
  readonly #words: MersenneTwister;

  /** Seeds with an integer from 0 to 2^32 - 1. */
  constructor(seed: number) {
    requireInteger("seed", seed, 0, 2 ** 32 - 1);
    this.#words = new MersenneTwister(seed);
  }

  /** `2 torch.randint(0, 2, (count,)) - 1` */
  signs(count: number): Int8Array {
    return Int8Array.from({ length: count }, () => 2 * (this.#words.word() % 2) - 1);
  }

  /** `torch.randn(count, dtype=torch.float64)`, for 16 numbers or more: pairs of each 16 by Box and Muller; the last 16 are drawn anew. */
  normals(count: number): Float64Array {
    requireInteger("count", count, 16);
    const values = Float64Array.from({ length: count }, () => this.#uniform());
    for (let start = 0; start + 16 <= count; start += 16) boxMuller(values.subarray(start, start + 16));
    if (count % 16 !== 0) {
      const last = values.subarray(count - 16);
      for (let i = 0; i < 16; i++) last[i] = this.#uniform();
      boxMuller(last);
    }
    return values;
  }

  /** 53 bits of two words. */
  #uniform(): number {
    const high = this.#words.word(), low = this.#words.word();
    return ((high & 0x1fffff) * 2 ** 32 + low) / 2 ** 53;
  }
}

function boxMuller(sixteen: Float64Array): void {
  for (let j = 0; j < 8; j++) {
    const radius = Math.sqrt(-2 * log(1 - sixteen[j])), angle = 2 * Math.PI * sixteen[j + 8];
    sixteen[j] = radius * cos(angle);
    sixteen[j + 8] = radius * sin(angle);
  }
}

function requireInteger(name: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new RandomError("range", `${name} is ${value}: expected an integer from ${min} to ${max}`);
  }
}
