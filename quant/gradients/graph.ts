/**
 * What a block computes with, as a function of what is learned of it: a few operations on weights and vectors, each with the way back.
 * Values are float32, as they are in the code whose training this follows; sums are taken in float64.
 */
import { SchemeError } from "../error.ts";
import { type ClipLogits, type RangeRule, type Rounding, roundRange } from "./rounding.ts";

/** A tensor of the graph, with the gradient that has come back to it by now. */
export interface Node {
  /** Row-major values. */
  readonly data: Float32Array;
  /** Of the same length; undefined where nothing has come back. */
  gradient?: Float32Array;
}

/** Operations in the order in which they were done. */
export class Graph {
  readonly #back: (() => void)[] = [];

  /** A tensor that nothing is computed from here. */
  leaf(data: Float32Array): Node {
    return { data };
  }

  /** A tensor computed from others; `back` is given its gradient and hands on theirs by {@linkcode give}. */
  node(data: Float32Array, back: (gradient: Float32Array) => void): Node {
    const node: Node = { data };
    this.#back.push(() => {
      if (node.gradient !== undefined) back(node.gradient);
    });
    return node;
  }

  /** Hands a gradient back to a node, in addition to what it has. */
  give(node: Node, gradient: Float32Array): void {
    const { gradient: sum } = node;
    if (sum === undefined) node.gradient = gradient.slice();
    else for (let i = 0; i < sum.length; i++) sum[i] += gradient[i];
  }

  /** Goes back through all operations; gradients of results must have been given. */
  backward(): void {
    for (const back of this.#back.toReversed()) back();
  }

  /** `w` with its rows or columns multiplied by, or divided by, the entries of `s`. */
  scale(w: Node, s: Node, by: "rows" | "columns", how: "times" | "over"): Node {
    const { length } = s.data, run = w.data.length / length;
    const at = by === "rows" ? (i: number) => Math.floor(i / run) : (i: number) => i % length;
    const data = new Float32Array(w.data.length);
    for (let i = 0; i < data.length; i++) {
      data[i] = how === "times" ? w.data[i] * s.data[at(i)] : w.data[i] / s.data[at(i)];
    }
    return this.node(data, (dy) => {
      const dw = new Float32Array(dy.length), ds = new Float64Array(length);
      for (let i = 0; i < dy.length; i++) {
        const j = at(i), factor = s.data[j];
        dw[i] = how === "times" ? dy[i] * factor : dy[i] / factor;
        ds[j] += how === "times" ? dy[i] * w.data[i] : -dy[i] * w.data[i] / (factor * factor);
      }
      this.give(w, dw);
      this.give(s, Float32Array.from(ds));
    });
  }

  /** `a + sign b`, element by element. */
  add(a: Node, b: Node, sign: 1 | -1 = 1): Node {
    return this.node(a.data.map((value, i) => value + sign * b.data[i]), (dy) => {
      this.give(a, dy);
      this.give(b, sign === 1 ? dy : dy.map((value) => -value));
    });
  }

  /** The outer product `a b^T` `[a, b]`. */
  outer(a: Node, b: Node): Node {
    const rows = a.data.length, columns = b.data.length, data = new Float32Array(rows * columns);
    for (let i = 0; i < data.length; i++) data[i] = a.data[Math.floor(i / columns)] * b.data[i % columns];
    return this.node(data, (dy) => {
      const da = new Float64Array(rows), db = new Float64Array(columns);
      for (let i = 0; i < dy.length; i++) {
        da[Math.floor(i / columns)] += dy[i] * b.data[i % columns];
        db[i % columns] += dy[i] * a.data[Math.floor(i / columns)];
      }
      this.give(a, Float32Array.from(da));
      this.give(b, Float32Array.from(db));
    });
  }

  /** `w x` of a matrix `[rows, columns]` that is not learned and a vector. */
  apply(w: Float32Array, x: Node): Node {
    const columns = x.data.length, rows = w.length / columns, data = new Float32Array(rows);
    for (let r = 0; r < rows; r++) {
      let sum = 0;
      for (let c = 0; c < columns; c++) sum += w[r * columns + c] * x.data[c];
      data[r] = sum;
    }
    return this.node(data, (dy) => {
      const dx = new Float64Array(columns);
      for (let i = 0; i < w.length; i++) dx[i % columns] += dy[Math.floor(i / columns)] * w[i];
      this.give(x, Float32Array.from(dx));
    });
  }

  /** The entries of `x` at `index`, which may name one several times. */
  gather(x: Node, index: Int32Array): Node {
    return this.node(Float32Array.from(index, (i) => x.data[i]), (dy) => {
      const dx = new Float64Array(x.data.length);
      for (const [to, from] of index.entries()) dx[from] += dy[to];
      this.give(x, Float32Array.from(dx));
    });
  }

  /** `x` times what is not learned, element by element; a shorter `by` repeats. */
  multiply(x: Node, by: Float32Array): Node {
    const times = (of: Float32Array) => of.map((value, i) => value * by[i % by.length]);
    return this.node(times(x.data), (dy) => this.give(x, times(dy)));
  }

  /** The inverses of matrices `[size, size]`, one after the other. */
  inverse(matrices: Node, size: number): Node {
    const area = size * size, data = new Float32Array(matrices.data.length);
    for (let at = 0; at < data.length; at += area) {
      data.set(inverseOf(Float64Array.from(matrices.data.subarray(at, at + area)), size), at);
    }
    return this.node(data, (dy) => {
      const dx = new Float32Array(data.length);
      // Of B = A^-1: dA = -B^T dB B^T.
      for (let at = 0; at < data.length; at += area) {
        const b = data.subarray(at, at + area), d = dy.subarray(at, at + area);
        const right = new Float64Array(area);
        for (let i = 0; i < size; i++) {
          for (let j = 0; j < size; j++) {
            let sum = 0;
            for (let k = 0; k < size; k++) sum += d[i * size + k] * b[j * size + k];
            right[i * size + j] = sum;
          }
        }
        for (let i = 0; i < size; i++) {
          for (let j = 0; j < size; j++) {
            let sum = 0;
            for (let k = 0; k < size; k++) sum += b[k * size + i] * right[k * size + j];
            dx[at + i * size + j] = -sum;
          }
        }
      }
      this.give(matrices, dx);
    });
  }

  /** `w M^T` in blocks of `size` columns, each with its matrix. */
  mixColumns(w: Node, matrices: Node, size: number): Node {
    const { data: x } = w,
      { data: m } = matrices,
      columns = m.length / size,
      data = new Float32Array(x.length);
    for (let start = 0; start < x.length; start += size) {
      const base = start % columns * size;
      for (let j = 0; j < size; j++) {
        let sum = 0;
        for (let i = 0; i < size; i++) sum += x[start + i] * m[base + j * size + i];
        data[start + j] = sum;
      }
    }
    return this.node(data, (dy) => {
      const dx = new Float64Array(x.length), dm = new Float64Array(m.length);
      for (let start = 0; start < x.length; start += size) {
        const base = start % columns * size;
        for (let j = 0; j < size; j++) {
          const d = dy[start + j], row = base + j * size;
          for (let i = 0; i < size; i++) {
            dx[start + i] += d * m[row + i];
            dm[row + i] += d * x[start + i];
          }
        }
      }
      this.give(w, Float32Array.from(dx));
      this.give(matrices, Float32Array.from(dm));
    });
  }

  /** `M w` in blocks of `size` rows, each with its matrix, or with its transpose. */
  mixRows(w: Node, matrices: Node, size: number, transposed: boolean): Node {
    const { data: x } = w, { data: m } = matrices, rows = m.length / size, columns = x.length / rows;
    const at = (j: number, i: number) => transposed ? i * size + j : j * size + i;
    const data = new Float32Array(x.length), sum = new Float64Array(columns);
    const each = (visit: (row: number, entry: number, other: number) => void, end: (row: number) => void) => {
      for (let row = 0; row < rows; row++) {
        const first = row - row % size, base = first * size;
        for (let i = 0; i < size; i++) visit(row, base + at(row % size, i), first + i);
        end(row);
      }
    };
    each((_, entry, other) => {
      for (let c = 0; c < columns; c++) sum[c] += m[entry] * x[other * columns + c];
    }, (row) => {
      data.set(sum, row * columns);
      sum.fill(0);
    });
    return this.node(data, (dy) => {
      const dx = new Float64Array(x.length), dm = new Float64Array(m.length);
      each((row, entry, other) => {
        for (let c = 0; c < columns; c++) {
          dx[other * columns + c] += m[entry] * dy[row * columns + c];
          dm[entry] += dy[row * columns + c] * x[other * columns + c];
        }
      }, () => {});
      this.give(w, Float32Array.from(dx));
      this.give(matrices, Float32Array.from(dm));
    });
  }

  /** `w` rounded in groups of `size` values, and its codes. */
  round(
    w: Node,
    size: number,
    rule: RangeRule,
    clip: { readonly upper: Node; readonly lower: Node } | null,
  ): { node: Node; rounding: Rounding } {
    const logits: ClipLogits | null = clip && { upper: clip.upper.data, lower: clip.lower.data };
    const rounding = roundRange(w.data, size, rule, logits);
    const node = this.node(rounding.values, (dy) => {
      const back = rounding.back(dy);
      this.give(w, back.x);
      if (clip === null || back.clip === null) return;
      this.give(clip.upper, back.clip.upper);
      this.give(clip.lower, back.clip.lower);
    });
    return { node, rounding };
  }
}

/** The inverse by elimination with pivots. */
function inverseOf(a: Float64Array, n: number): Float64Array {
  const b = new Float64Array(n * n);
  for (let i = 0; i < n; i++) b[i * n + i] = 1;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column + 1; row < n; row++) {
      if (Math.abs(a[row * n + column]) > Math.abs(a[pivot * n + column])) pivot = row;
    }
    const size = a[pivot * n + column];
    if (size === 0 || !Number.isFinite(size)) {
      throw new SchemeError(
        "values",
        `a learned matrix has no inverse: expected a smaller stability or learning rate`,
      );
    }
    for (const m of [a, b]) {
      for (let j = 0; j < n; j++) {
        const upper = m[column * n + j], lower = m[pivot * n + j];
        m[pivot * n + j] = upper;
        m[column * n + j] = lower / size;
      }
    }
    for (let row = 0; row < n; row++) {
      const factor = a[row * n + column];
      if (row === column || factor === 0) continue;
      for (const m of [a, b]) for (let j = 0; j < n; j++) m[row * n + j] -= factor * m[column * n + j];
    }
  }
  return b;
}
