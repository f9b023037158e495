/**
 * Matrix products in float64 for factorizations and error compensation, which subtract products from a matrix and
 * nothing else: `C -= A B`. The work is the CPU kernels' (`../cpu/assembly/product64.ts`), shared by as many threads as
 * the CPU device has by default; the order of all sums depends on the shapes alone. Matrices of {@linkcode float64} are
 * worked on where they lie, others are copied.
 */
import { Heap } from "./heap.ts";
import { defaultThreads, moduleNow } from "./module.ts";
import { sharesMemory } from "./platform.ts";
import { Pool } from "./pool.ts";

/** A part of a row-major matrix: element `(i, j)` is `data[start + i * stride + j]`, or of its transpose. */
export interface Block {
  readonly data: Float64Array;
  readonly start: number;
  readonly stride: number;
  /** Whether element `(i, j)` is `data[start + j * stride + i]` instead. */
  readonly transposed?: boolean;
}

/** Zeros in the memory of the kernels; disposal gives them back. */
export interface Float64Memory extends Disposable {
  readonly data: Float64Array;
}

/** An edge tile, and the packed operands of a unit: rows and columns of a unit, as deep. */
const unit = 128, scratchBytes = 256 + 2 * unit * unit * 8;
/** Multiply-adds per nanosecond of one thread, to estimate times. */
const speed = 7;

const heap = new Heap();
/** The memory of the heap before and after each growth: all are views of the same bytes. */
const own = new WeakSet<ArrayBufferLike>();
let pool: Pool | undefined;

/** The threads, started at the first use; until the program lets them start, the caller works alone. */
function threads(): Pool {
  return pool ??= new Pool(moduleNow(), heap, defaultThreads());
}

/** `length` zeros for matrices that products work on. */
export function float64(length: number): Float64Memory {
  // Views of memory that is not shared end when it grows.
  if (!sharesMemory) return { data: new Float64Array(length), [Symbol.dispose]: () => {} };
  const address = heap.allocate(8 * length), { buffer } = heap.memory;
  own.add(buffer);
  const data = new Float64Array(buffer, address, length);
  data.fill(0);
  return { data, [Symbol.dispose]: () => heap.free(address, 8 * length) };
}

/** How many elements of `block.data` from `block.start` on hold `rows x columns` elements. */
function span({ stride, transposed }: Block, rows: number, columns: number): number {
  return Math.max(0, transposed ? (columns - 1) * stride + rows : (rows - 1) * stride + columns);
}

/** `rows x columns` elements of a block where the kernels can reach them. */
function reach(block: Block, rows: number, columns: number, stack: DisposableStack): Place {
  const { data, start, stride, transposed } = block;
  if (own.has(data.buffer)) return place(block, data.byteOffset + 8 * start);
  const used = span(block, rows, columns), address = heap.allocate(8 * used);
  stack.defer(() => heap.free(address, 8 * used));
  new Float64Array(heap.memory.buffer, address, used).set(data.subarray(start, start + used));
  return place({ stride, transposed }, address);
}

type Place = readonly [address: number, row: number, column: number];

/** Address of a block, and the bytes from a row and from a column to the next. */
function place({ stride, transposed }: Pick<Block, "stride" | "transposed">, address: number): Place {
  return transposed ? [address, 8, 8 * stride] : [address, 8 * stride, 8];
}

/**
 * `C[m, n] -= A[m, k] B[k, n]`. `C` must share no elements with `A` and `B`, and is not transposed. With `part: "lower"`
 * the elements above the diagonal of `C` are of no interest: they may change or not.
 */
export function subtractProduct(
  c: Block,
  a: Block,
  b: Block,
  m: number,
  n: number,
  k: number,
  part: "all" | "lower" = "all",
): void {
  if (m > 0 && n > 0 && k > 0) run(c, a, b, m, n, k, Number(part === "lower"), 0);
}

/** `C[m, n] = -C B[n, n]` for at most 128 columns. */
export function replaceByProduct(c: Block, b: Block, m: number, n: number): void {
  if (n > unit) throw new RangeError(`n is ${n}: expected at most ${unit}`);
  if (m > 0 && n > 0) run(c, c, b, m, n, n, 0, 1);
}

function run(
  c: Block,
  a: Block,
  b: Block,
  m: number,
  n: number,
  k: number,
  lower: number,
  replace: number,
): void {
  using stack = new DisposableStack();
  const to = reach(c, m, n, stack), [target, cStride] = to;
  const [left, aRow, aDepth] = a === c ? to : reach(a, m, k, stack);
  const [right, bDepth, bColumn] = reach(b, k, n, stack);
  const units = Math.ceil(m / unit) * Math.ceil(n / unit);
  const nanoseconds = m * n * k / speed;
  const from = [left, aRow, aDepth, right, bColumn, bDepth];
  const args = [target, cStride, ...from, m, n, k, lower, replace];
  threads().run("subtractProduct", { units, nanoseconds, scratchBytes }, args);
  if (own.has(c.data.buffer)) return;
  const copy = new Float64Array(heap.memory.buffer, target, span(c, m, n));
  for (let i = 0; i < m; i++) {
    c.data.set(copy.subarray(i * c.stride, i * c.stride + n), c.start + i * c.stride);
  }
}

/**
 * `C[rows, columns] -= factors values`, an outer product, with each row of `C` right after the other. All three lie in
 * memory of {@linkcode float64}.
 */
export function subtractOuter(c: Float64Array, factors: Float64Array, values: Float64Array): void {
  if (!sharesMemory) {
    const columns = values.length;
    for (let i = 0; i < factors.length; i++) {
      for (let j = 0; j < columns; j++) c[i * columns + j] -= factors[i] * values[j];
    }
    return;
  }
  const load = { units: factors.length, nanoseconds: factors.length * values.length / 4 };
  const addresses = [c.byteOffset, factors.byteOffset, values.byteOffset];
  threads().run("subtractScaled", load, [...addresses, values.length]);
}
