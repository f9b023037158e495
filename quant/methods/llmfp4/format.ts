/** Floats whose exponent bias is a real number: what LLM-FP4 rounds to, and how its channels share a bias. */
import { log2 } from "../../../base/elementary.ts";
import { roundHalfEven } from "../../../kernels/round.ts";
import { floatEncoder, floatFormat, floatValues } from "../../grids/float.ts";
import { type TableWeight, tableWeight } from "../../weights/table.ts";
import type { Matrix } from "../../method.ts";

/** Bits of exponent and mantissa beside a sign. */
export interface FloatShape {
  /** Bits of the exponent. */
  readonly exponent: number;
  /** Bits of the mantissa that are stored. */
  readonly mantissa: number;
  /**
   * As the original code applies a format with a mantissa: it takes `2^-mantissa` of integers, which is 0, and so clips one number past the
   * largest, at `2^(2^exponent - bias)`. 4 bits then have 17 values.
   */
  readonly past?: boolean;
}

const f32 = Math.fround;

/** The formats that are tried at so many bits: all with an exponent; at 8 bits those with at least two bits of mantissa. */
export function shapesOf(bits: number): FloatShape[] {
  const least = bits === 8 ? 2 : 0;
  return Array.from({ length: bits - 1 - least }, (_, i) => ({
    exponent: bits - 1 - least - i,
    mantissa: least + i,
  }));
}

/** The bias with which a format's largest number is `most`; that of 1 where everything is 0. */
export function biasOf(most: number, { exponent, mantissa, past }: FloatShape): number {
  const top = past && mantissa > 0 ? 1 : f32(log2(2 - 2 ** -mantissa));
  return f32(f32(f32(2 ** exponent - f32(log2(most || 1))) + top) - 1);
}

/** The grid of a format by its codes, and what it is multiplied by at a bias. */
export interface FloatGrid {
  /** What codes stand for at the bias of IEEE 754. */
  readonly values: Float32Array;
  /** The code of a number on that grid; beyond the largest, the largest. */
  readonly encode: (x: number) => number;
  /** What the grid is multiplied by to have this bias. */
  scale(bias: number): number;
}

const grids = new Map<string, FloatGrid>();

/** The grid of a format. */
export function gridOf(shape: FloatShape): FloatGrid {
  const key = `${shape.exponent}.${shape.mantissa}.${isPast(shape)}`;
  const found = grids.get(key);
  if (found !== undefined) return found;
  const own = floatFormat(shape.exponent, shape.mantissa);
  const scale = (bias: number) => f32(2 ** (own.bias - bias));
  // A format with a bit of exponent more has the number past the largest, and what lies beyond it is clipped.
  const format = isPast(shape) ? { ...own, exponentBits: own.exponentBits + 1 } : own;
  const encode = floatEncoder(format), most = 2 ** (2 ** shape.exponent - own.bias);
  const grid: FloatGrid = {
    values: floatValues(format),
    encode: isPast(shape) ? (x) => encode(Math.min(Math.max(x, -most), most)) : encode,
    scale,
  };
  grids.set(key, grid);
  return grid;
}

function isPast({ mantissa, past }: FloatShape): boolean {
  return past === true && mantissa > 0;
}

/** Bits of a code: one more where there is a number past the largest. */
export function bitsOf(shape: FloatShape): number {
  return 1 + shape.exponent + shape.mantissa + (isPast(shape) ? 1 : 0);
}

/** Rounds `count` values from `from` on, all at one bias, into `target` from `at` on. */
export function roundRun(
  source: Float32Array,
  from: number,
  count: number,
  target: Float32Array,
  at: number,
  { values, encode, scale }: FloatGrid,
  bias: number,
): void {
  const unit = scale(bias), inverse = 1 / unit;
  for (let i = 0; i < count; i++) {
    const x = source[from + i];
    target[at + i] = x === x ? values[encode(x * inverse)] * unit : NaN;
  }
}

/** Rounds a matrix into `target`, every column at a bias of its own. */
export function roundColumns(
  { rows, columns, data }: Matrix,
  shape: FloatShape,
  biases: Float32Array,
  target: Float32Array,
  at = 0,
): void {
  const { values, encode, scale } = gridOf(shape);
  const units = Float64Array.from(biases, scale), inverses = units.map((unit) => 1 / unit);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let j = 0; j < columns; j++, i++) {
      const x = data[i];
      target[at + i] = x === x ? values[encode(x * inverses[j])] * units[j] : NaN;
    }
  }
}

/**
 * The biases of channels around that of the tensor, `rho` (section 4.3 of the paper, the pre-shifted exponent bias): each is `rho` plus an
 * integer from 0 to `2^exponent - 1`, which a product can shift into the exponents of the weights it meets.
 */
export function shiftedBiases(own: Float32Array, rho: number, { exponent }: FloatShape): Float32Array {
  const least = roundHalfEven(rho), most = least + 2 ** exponent - 1;
  return own.map((bias) => f32(f32(Math.min(Math.max(roundHalfEven(bias), least), most) - least) + f32(rho)));
}

/** A weight with a bias for each row: codes of a float, a scale per row. */
export function floatWeight(weight: Matrix, shape: FloatShape, biases: Float32Array): TableWeight {
  const { values, encode, scale } = gridOf(shape);
  let row = 0;
  return tableWeight(weight, {
    bits: bitsOf(shape),
    values,
    block: [1, Infinity],
    fit() {
      const unit = scale(biases[row++]), inverse = 1 / unit;
      return { scale: unit, encode: (x) => encode(x * inverse) };
    },
  });
}
