/**
 * Adam whose running means take 8 bits (Dettmers et al., "8-bit Optimizers via Block-wise Quantization", ICLR 2022, arXiv 2110.02861): codes into a
 * dynamic map, signed for the means of gradients, unsigned for those of their squares, with one float32 absmax for a block. A step decodes them,
 * sums up in float32, steps, and rounds them again (section 2.2). 2 + 8 / block bytes for each parameter, where Adam takes 8.
 *
 * In the order of bitsandbytes' GPU kernel: the decay comes after the step; a mean that rounds to a code of the other sign takes the next code
 * on its own side; a gradient that is no number clears what was summed up of its parameter and moves nothing. What the kernel divides by 0 in
 * a block of zeros stays zero here.
 */
import { pow } from "../../base/elementary.ts";
import { dynamicMap } from "../grids/dynamic.ts";
import { SchemeError } from "../error.ts";

/** Constants of {@linkcode Adam8bit}. */
export interface Adam8bitOptions {
  /** Size of a step. */
  readonly learningRate: number;
  /** Share of each parameter that is taken off per step, times the learning rate. */
  readonly weightDecay: number;
  /** Decay rates of the running means of gradients and of their squares. */
  readonly betas: readonly [number, number];
  /** Beside the root of the mean square. */
  readonly eps: number;
  /** Values that share an absmax (default 256). */
  readonly blockSize?: number;
}

/** Numbers as codes into a map of 256, a factor for each block. */
export interface BlockCodes {
  /** One for each value. */
  readonly codes: Uint8Array;
  /** The largest magnitude of each block; the last may be shorter. */
  readonly absmax: Float32Array;
}

/** What the optimizer has summed up. */
export interface Adam8bitState {
  /** Steps that were done. */
  readonly steps: number;
  /** Running means of gradients, by parameter. */
  readonly means: Readonly<Record<string, BlockCodes>>;
  /** Running means of their squares. */
  readonly squares: Readonly<Record<string, BlockCodes>>;
}

const f32 = Math.fround;
const signed = dynamicMap(), unsigned = dynamicMap(false);
/** Code of 0 in the signed map. */
const zeroCode = signed.indexOf(0);

/** The entry of a map nearest to `x` in float32, the lower one of two. */
function nearest(map: Float32Array, x: number): number {
  let low = 0, high = map.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x < map[middle]) high = middle;
    else low = middle;
  }
  return f32(Math.abs(x - map[low])) <= f32(Math.abs(x - map[high])) ? low : high;
}

/**
 * Codes of values, block by block.
 *
 * @param map `"signed"`, or `"unsigned"` of what is never negative
 * @param keepSign whether a value whose nearest number has the other sign takes the next one on its own side
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const x = Float32Array.of(0, 2, -1, 0.5), coded = encodeBlocks(x, "signed", 4);
 * assertEquals(decodeBlocks(coded, "signed", 4)[1], 2);
 * ```
 */
export function encodeBlocks(
  values: Float32Array,
  map: "signed" | "unsigned",
  blockSize: number,
  keepSign = false,
): BlockCodes {
  const table = map === "signed" ? signed : unsigned;
  const codes = new Uint8Array(values.length),
    absmax = new Float32Array(Math.ceil(values.length / blockSize));
  for (let block = 0, first = 0; first < values.length; block++, first += blockSize) {
    const end = Math.min(values.length, first + blockSize);
    let most = 0;
    for (let i = first; i < end; i++) most = Math.max(most, Math.abs(values[i]));
    absmax[block] = most;
    for (let i = first; i < end; i++) {
      const value = values[i];
      let code = nearest(table, most === 0 ? 0 : f32(value / most));
      if (keepSign && isNegative(table[code]) !== isNegative(value)) code += value > 0 ? 1 : -1;
      codes[i] = code;
    }
  }
  return { codes, absmax };
}

function isNegative(value: number): boolean {
  return value < 0 || Object.is(value, -0);
}

/** The values of codes. */
export function decodeBlocks(
  { codes, absmax }: BlockCodes,
  map: "signed" | "unsigned",
  blockSize: number,
): Float32Array {
  const table = map === "signed" ? signed : unsigned;
  return Float32Array.from(codes, (code, i) => table[code] * absmax[Math.floor(i / blockSize)]);
}

/** An optimizer of named parameters, which it changes in place. */
export class Adam8bit {
  #steps = 0;
  readonly #means = new Map<string, BlockCodes>();
  readonly #squares = new Map<string, BlockCodes>();
  readonly #blockSize: number;

  /**
   * Nothing is summed up yet.
   *
   * @throws {SchemeError} `option` for blocks of less than one value
   */
  constructor(
    private readonly parameters: ReadonlyMap<string, Float32Array>,
    private readonly options: Adam8bitOptions,
  ) {
    const { blockSize = 256 } = options;
    if (!(Number.isInteger(blockSize) && blockSize > 0)) {
      throw new SchemeError("option", `blockSize is ${blockSize}: expected an integer from 1`);
    }
    this.#blockSize = blockSize;
  }

  /** Bytes of what was summed up. */
  get byteLength(): number {
    const all = [...this.#means.values(), ...this.#squares.values()];
    return all.reduce((sum, { codes, absmax }) => sum + codes.byteLength + absmax.byteLength, 0);
  }

  /** One step against the gradients; parameters without one stay. `rateOf` stands in for the learning rate. */
  step(gradients: ReadonlyMap<string, Float32Array>, rateOf?: (name: string) => number): void {
    const { weightDecay, betas: [beta1, beta2], eps } = this.options, size = this.#blockSize;
    this.#steps++;
    const root = Math.sqrt(1 - pow(beta2, this.#steps)), corrected = 1 - pow(beta1, this.#steps);
    const [b1, b2, rest1, rest2] = [beta1, beta2, 1 - beta1, 1 - beta2].map(f32);
    for (const [name, gradient] of gradients) {
      const parameter = this.parameters.get(name);
      if (parameter === undefined) continue;
      const rate = rateOf === undefined ? this.options.learningRate : rateOf(name);
      const step = f32(rate * root / corrected), offset = f32(eps * root);
      const kept = f32(1 - rate * (name.endsWith(".bias") ? 0 : weightDecay));
      const { length } = gradient;
      const mean = decodeBlocks(this.#means.get(name) ?? blank(length, size, zeroCode), "signed", size);
      const square = decodeBlocks(this.#squares.get(name) ?? blank(length, size, 0), "unsigned", size);
      for (let i = 0; i < length; i++) {
        const g = gradient[i];
        if (!Number.isFinite(g)) {
          mean[i] = square[i] = 0;
          continue;
        }
        square[i] = f32(square[i] * b2) + f32(f32(rest2 * g) * g);
        mean[i] = f32(mean[i] * b1) + f32(rest1 * g);
        const moved = parameter[i] - f32(step * f32(mean[i] / f32(f32(Math.sqrt(square[i])) + offset)));
        parameter[i] = kept === 1 ? moved : f32(moved) * kept;
      }
      this.#means.set(name, encodeBlocks(mean, "signed", size, true));
      this.#squares.set(name, encodeBlocks(square, "unsigned", size));
    }
  }

  /** What was summed up, copied. */
  state(): Adam8bitState {
    const copied = (of: ReadonlyMap<string, BlockCodes>) =>
      Object.fromEntries(
        [...of].map(([name, { codes, absmax }]) => [name, { codes: codes.slice(), absmax: absmax.slice() }]),
      );
    return { steps: this.#steps, means: copied(this.#means), squares: copied(this.#squares) };
  }

  /** Goes on from what {@linkcode state} gave. */
  restore({ steps, means, squares }: Adam8bitState): void {
    this.#steps = steps;
    for (const [name, one] of Object.entries(means)) this.#means.set(name, one);
    for (const [name, one] of Object.entries(squares)) this.#squares.set(name, one);
  }
}

function blank(length: number, blockSize: number, code: number): BlockCodes {
  return {
    codes: new Uint8Array(length).fill(code),
    absmax: new Float32Array(Math.ceil(length / blockSize)),
  };
}
