/**
 * NF4 and FP4 of bitsandbytes, with double quantization (Dettmers et al., "QLoRA", 2023, sections 3 and 4).
 *
 *     x^ = absmax T[c],    c = argmin_c |T[c] - x / absmax|
 *
 * Blocks run through the weight's values as they lie in memory. NF4's table `T` has the expected values of equal shares of a normal
 * distribution (QLoRA, eq. 4); FP4's is no E2M1, but 0, 1/192, 1/6, 1/4, 1/3, 1/2, 2/3, 1 and their negatives, in the library's order.
 * Double quantization takes the mean off the absmaxima and stores the rest in 8 bits (dynamic map, blocks of 256).
 *
 * A value in the middle goes to the lower number, as on the library's CPU.
 */
import { absMax, type BlockRule } from "../grids/blocks.ts";
import { dynamicMap } from "../grids/dynamic.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import type { Matrix, MethodWith, WeightMethod } from "../method.ts";
import { flag, integer, oneOf, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";
import { tableWeight } from "../weights/table.ts";

/** NF4 or FP4 as data. */
export interface Nf4 extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "nf4";
  /** What the 16 codes stand for. */
  readonly table: "nf4" | "fp4";
  /** Values that share an absmax. */
  readonly blockSize: number;
  /** Whether absmaxima are quantized to 8 bits. */
  readonly doubleQuant: boolean;
}

/** What {@linkcode nf4} accepts. */
export const nf4Options: OptionTable<Nf4> = {
  table: oneOf(["nf4", "fp4"], "nf4"),
  blockSize: integer(1, 1 << 20, 64),
  doubleQuant: flag(false),
};

/**
 * Four bits into a table, one absmax for each 64 weights.
 *
 * @example
 * ```ts
 * import { nf4, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme: Scheme = { weights: nf4({ doubleQuant: true }) };
 * assertEquals(scheme.weights, { method: "nf4", table: "nf4", blockSize: 64, doubleQuant: true });
 * ```
 */
export function nf4(options: Partial<Omit<Nf4, keyof SuiteScheme>> = {}): Nf4 {
  return readOptions("nf4", nf4Options, options);
}

/** By code. */
export const nf4Tables: Readonly<Record<Nf4["table"], Float32Array>> = {
  nf4: Float32Array.of(
    ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635],
    ...[-0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725],
    ...[
      0.24611230194568634,
      0.33791524171829224,
      0.44070982933044434,
      0.5626170039176941,
      0.7229568362236023,
      1,
    ],
  ),
  fp4: Float32Array.from({ length: 16 }, (_, code) => {
    const size = [0, 1 / 192, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4][code & 7];
    return code < 8 || size === 0 ? size : -size;
  }),
};

/** The code of the nearest entry of a table, the lower one of two equally near; middles are float32. */
export function tableEncoder(table: Float32Array): (x: number) => number {
  const order = Array.from(table.keys()).sort((a, b) => table[a] - table[b] || a - b);
  const middles = Float32Array.from(order.slice(1), (code, i) => (table[order[i]] + table[code]) / 2);
  return (x) => {
    let low = 0, high = middles.length;
    while (low < high) {
      const at = (low + high) >> 1;
      if (x > middles[at]) low = at + 1;
      else high = at;
    }
    return order[low];
  };
}

/** Blocks along the rows of a matrix. */
export function nf4Rule({ table, blockSize }: Pick<Nf4, "table" | "blockSize">): BlockRule {
  const values = nf4Tables[table], nearest = tableEncoder(values);
  return {
    bits: 4,
    values,
    block: [1, blockSize],
    fit(block) {
      const scale = absMax(block), inverse = scale === 0 ? 0 : Math.fround(1 / scale);
      return { scale, encode: (x) => nearest(Math.fround(x * inverse)) };
    },
  };
}

/** Absmaxima in 8 bits. */
export interface DoubleQuantized {
  /** Into the dynamic map. */
  readonly codes: Uint8Array;
  /** Largest magnitude of each 256, their mean taken off. */
  readonly maxima: Float32Array;
  /** The mean. */
  readonly offset: number;
}

const map = dynamicMap(), nearestInMap = tableEncoder(map);

/** `absmax = map[code] * maximum + offset`. */
export function doubleQuantize(absmaxima: Float32Array): DoubleQuantized {
  const offset = Math.fround(absmaxima.reduce((sum, x) => sum + x, 0) / absmaxima.length);
  const codes = new Uint8Array(absmaxima.length), maxima: number[] = [];
  for (let first = 0; first < codes.length; first += 256) {
    const rest = absmaxima.slice(first, first + 256).map((x) => x - offset), most = absMax(rest);
    const inverse = most === 0 ? 0 : Math.fround(1 / most);
    maxima.push(most);
    for (const [i, x] of rest.entries()) codes[first + i] = nearestInMap(Math.fround(x * inverse));
  }
  return { codes, maxima: Float32Array.from(maxima), offset };
}

/** The absmaxima of {@linkcode doubleQuantize}. */
export function undoDoubleQuantize({ codes, maxima, offset }: DoubleQuantized): Float32Array {
  return Float32Array.from(codes, (code, i) => Math.fround(map[code] * maxima[i >> 8]) + offset);
}

/** A weight as bitsandbytes stores it. */
export function quantizeNf4({ rows, columns, data }: Matrix, scheme: Nf4): StoredWeight {
  // Blocks that do not end with a row run on in the next one: they are those of one long row.
  const along = columns % scheme.blockSize === 0;
  const shape = along ? { rows, columns } : { rows: 1, columns: data.length };
  const plain = tableWeight({ ...shape, data }, nf4Rule(scheme));
  const double = scheme.doubleQuant ? doubleQuantize(Float32Array.from(plain.scales)) : null;
  const stored = double === null ? plain : plain.withScales(
    undoDoubleQuantize(double),
    // The codes, the maxima and the offset.
    double.codes.byteLength + double.maxima.byteLength + 4,
  );
  if (along) return stored;
  return { shape: [rows, columns], byteLength: stored.byteLength, dequantize: () => stored.dequantize() };
}

const weights: WeightMethod<Nf4> = { needs: "nothing", quantize: quantizeNf4 };

/** NF4 and FP4, for the registry. */
export const nf4Method: MethodWith<{ weights: WeightMethod<Nf4> }> = {
  name: "nf4",
  paper: {
    title: "QLoRA: Efficient Finetuning of Quantized LLMs",
    authors: "Dettmers et al. 2023",
    link: "https://arxiv.org/abs/2305.14314",
  },
  options: nf4Options,
  shortGroups: true,
  parse: (options) => nf4(options),
  weights,
};
