/** Razoring of activations and attention operands on the host: base codes, shifts and values again, vector by vector. */
import type { OperandView } from "../../method.ts";
import { type Base, encodeBase, fitBase, razor } from "../../grids/razor.ts";

/** How operands are razored. */
export interface OperandRazor extends Base {
  readonly groupSize: number;
  /** One base scale for the whole operand (the published runs), or with `"row"` one per vector. */
  readonly granularity?: "row" | "tensor";
}

/** Razors the vectors of an operand `[rows, heads * dimensions]` in place. */
export function razorOperand(values: Float32Array, view: OperandView, scheme: OperandRazor): void {
  const { rows, columns, heads } = view;
  const { groupSize } = scheme;
  const dimensions = columns / heads;
  const whole = fitBase(values, 0, rows * columns, scheme);
  if (!Number.isFinite(whole.scale)) {
    values.fill(NaN, 0, rows * columns);
    return;
  }
  // Groups longer than a vector run on through the tokens of a head.
  const vectors = groupSize <= dimensions ? 1 : rows;
  const count = vectors * dimensions;
  const codes = new Int32Array(count), scales = new Float64Array(vectors);
  for (let head = 0; head < heads; head++) {
    for (let first = 0; first < rows; first += vectors) {
      for (let v = 0; v < vectors; v++) {
        const start = (first + v) * columns + head * dimensions;
        const base = scheme.granularity === "row" ? fitBase(values, start, dimensions, scheme) : whole;
        scales[v] = base.scale;
        encodeBase(values, start, dimensions, base, codes, v * dimensions);
      }
      for (let i = 0; i < count; i += groupSize) {
        razor(codes, i, Math.min(groupSize, count - i), 1, scheme);
      }
      for (let v = 0; v < vectors; v++) {
        const start = (first + v) * columns + head * dimensions, from = v * dimensions, scale = scales[v];
        for (let i = 0; i < dimensions; i++) values[start + i] = scale * codes[from + i];
      }
    }
  }
}
