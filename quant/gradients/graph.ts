/**
 * What a block computes with, as a function of what is learned of it: a few operations on weights and vectors, each with the way back.
 * Values are float32, as they are in the code whose training this follows; sums are taken in float64.
 */
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
