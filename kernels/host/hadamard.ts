/**
 * Hadamard matrices and the fast transform. A matrix of order `n = K 2^m` is `H_K (x) H_2^m`: Sylvester's doubling of an order `K` that is
 * found by formula, so that a row costs `n (K + m)` additions instead of `n^2`.
 */
import type { HadamardShape } from "../device.ts";

/** What an order is made of. */
export interface HadamardPlan {
  /** Order of the matrix that is doubled: 1 where the size is a power of two. */
  readonly order: number;
  /** The power of two that it is doubled by. */
  readonly doubled: number;
  /** Equal blocks that are transformed each for itself, where no order reaches the size: otherwise 1. */
  readonly blocks: number;
}

/** The largest order that is not made by doubling: its part of a transform costs as many additions for each element. */
const largest = 512;

/**
 * How a size is reached. With `o` the odd part of the size: a power of two needs no table; otherwise the least of `4o`, `8o`, `16o`, ... that
 * divides the size and for which {@linkcode hadamardMatrix} knows a matrix. (40 goes before 20, as in the tables that QuaRot took over.)
 * Where there is none, the size falls into `o` blocks of a power of two, each rotated for itself.
 */
export function hadamardPlan(size: number): HadamardPlan {
  let odd = size;
  while (odd > 0 && odd % 2 === 0) odd /= 2;
  const power = size / odd;
  if (odd <= 1) return { order: 1, doubled: size, blocks: 1 };
  if (odd === 5 && power >= 8) return { order: 40, doubled: power / 8, blocks: 1 };
  for (let order = 4 * odd; order <= largest && size % order === 0; order *= 2) {
    if (construction(order) !== null) return { order, doubled: size / order, blocks: 1 };
  }
  return { order: 1, doubled: power, blocks: odd };
}

/**
 * The matrix `[order, order]` of +1 and -1 that a plan doubles: of Paley's first kind where `order - 1` is a prime, of his second where
 * `order / 2 - 1` is one (R. Paley, 1933), of Williamson's (1944) at 52, 156 and 172; 40 is 20 doubled on the left. At the orders of
 * QuaRot's tables it is the same matrix.
 */
export function hadamardMatrix(order: number): Int8Array {
  const known = matrices.get(order);
  if (known !== undefined) return known;
  const made = construction(order)?.();
  if (made === undefined) throw new RangeError(`no Hadamard matrix of order ${order} is known here`);
  matrices.set(order, made);
  return made;
}

const matrices = new Map<number, Int8Array>([[1, Int8Array.of(1)]]);

function construction(order: number): (() => Int8Array) | null {
  const rows = williamsonRows[order];
  if (order === 40) return () => doubledOnTheLeft(hadamardMatrix(20), 20);
  if (rows !== undefined) return () => williamson(order, rows);
  if (order % 4 === 0 && isPrime(order - 1)) return () => paleyFirst(order);
  if (order % 4 === 0 && isPrime(order / 2 - 1)) return () => paleySecond(order);
  return null;
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n > 1;
}

/** 1 of squares modulo a prime, -1 of what is none, 0 of 0. */
function legendre(q: number): Int8Array {
  const symbol = new Int8Array(q).fill(-1);
  for (let i = 0; i < q; i++) symbol[i * i % q] = 1;
  symbol[0] = 0;
  return symbol;
}

/** `I + S` for the skew `S = [0, -1; 1, -Q]` with `Q[i, j] = (j - i / q)`: a prime `q` of the form `4k + 3`. */
function paleyFirst(order: number): Int8Array {
  const q = order - 1, symbol = legendre(q);
  return matrix(order, (i, j) => {
    if (i === 0 || j === 0) return i === 0 && j > 0 ? -1 : 1;
    return i === j ? 1 : -symbol[(j - i + q) % q];
  });
}

/** `[C + I, C - I; C - I, -C - I]` for the symmetric `C = [0, 1; 1, Q]`: a prime `q` of the form `4k + 1`. */
function paleySecond(order: number): Int8Array {
  const half = order / 2, q = half - 1, symbol = legendre(q);
  const conference = (i: number, j: number) => i === 0 || j === 0 ? Number(i !== j) : symbol[(j - i + q) % q];
  return matrix(order, (i, j) => {
    const lower = i >= half, right = j >= half, a = i % half, b = j % half, one = Number(a === b);
    const sign = lower && right ? -1 : 1;
    return sign * conference(a, b) + (lower === right ? sign * one : -one);
  });
}

function doubledOnTheLeft(half: Int8Array, size: number): Int8Array {
  return matrix(
    2 * size,
    (i, j) => half[i % size * size + j % size] * (i >= size && j >= size ? -1 : 1),
  );
}

/** First halves of the first rows of four symmetric circulant matrices whose squares add up to `order` times the identity. */
const williamsonRows: Readonly<Record<number, readonly string[]>> = {
  52: ["+-+--++", "+---+++", "++-+--+", "+----+-"],
  156: ["+++--+-+-----+--++--", "++++---+--++----+-+-", "+++--++-+---+-+--+--", "+---++-+-+-----+++-+"],
  172: [
    "+---++--++++-+-+++-++-",
    "++-++++++----+-+--++-+",
    "+++-+-++--+-+-++++-+--",
    "++---++++-+--+--++----",
  ],
};

/** `[A, B, C, D; -B, A, -D, C; -C, D, A, -B; -D, -C, B, A]` (Williamson). */
function williamson(order: number, rows: readonly string[]): Int8Array {
  const size = order / 4;
  const which = [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]];
  const signs = [[1, 1, 1, 1], [-1, 1, -1, 1], [-1, 1, 1, -1], [-1, -1, 1, 1]];
  return matrix(order, (i, j) => {
    const a = Math.floor(i / size), b = Math.floor(j / size), apart = (j % size - i % size + size) % size;
    return signs[a][b] * (rows[which[a][b]][Math.min(apart, size - apart)] === "+" ? 1 : -1);
  });
}

function matrix(order: number, entry: (i: number, j: number) => number): Int8Array {
  return Int8Array.from(
    { length: order * order },
    (_, k) => entry(Math.floor(k / order), k % order),
  );
}

/** The factor that makes a transform orthogonal. */
export function hadamardScale({ order, doubled }: HadamardPlan): number {
  return 1 / Math.sqrt(order * doubled);
}

/**
 * Transforms `x` in place; each addition is rounded to the element type of `x`, in an order that all devices share: neighbours first, then
 * wider and wider butterflies, then the sums by the matrix that is doubled, from its first column on, then the factor.
 */
export function hadamard<A extends Float32Array | Float64Array>(x: A, shape: HadamardShape): void {
  const { rows, size, stride = 1, transposed = false } = shape;
  const plan = hadamardPlan(size), { order, doubled, blocks } = plan;
  const block = order * doubled, signs = hadamardMatrix(order);
  const factor = x instanceof Float32Array ? Math.fround(hadamardScale(plan)) : hadamardScale(plan);
  const sums = x.slice(0, order);
  for (let start = 0; start < rows * blocks * block * stride; start += block * stride) {
    for (let half = stride; half < doubled * stride; half *= 2) {
      for (let first = start; first < start + block * stride; first += 2 * half) {
        for (let i = first; i < first + half; i++) {
          const a = x[i], b = x[i + half];
          x[i] = a + b;
          x[i + half] = a - b;
        }
      }
    }
    if (order > 1) multiplyBySigns(x, start, doubled * stride, signs, sums, transposed);
    for (let i = start; i < start + block * stride; i++) x[i] *= factor;
  }
}

function multiplyBySigns(
  x: Float32Array | Float64Array,
  start: number,
  stride: number,
  signs: Int8Array,
  sums: Float32Array | Float64Array,
  transposed: boolean,
): void {
  const order = sums.length, [down, across] = transposed ? [1, order] : [order, 1];
  for (let inner = start; inner < start + stride; inner++) {
    sums.fill(0);
    for (let j = 0; j < order; j++) {
      const value = x[inner + j * stride];
      for (let i = 0; i < order; i++) sums[i] += signs[i * down + j * across] * value;
    }
    for (let i = 0; i < order; i++) x[inner + i * stride] = sums[i];
  }
}
