/** The Hadamard transform as a product with the matrix, entry by entry, in float64. */
import type { HadamardShape } from "../device.ts";
import { hadamardMatrix, hadamardPlan, hadamardScale } from "../host/hadamard.ts";

/** Entry `[i, j]` of the matrix of a size, `+1`, `-1`, or 0 between blocks, without the factor. */
export function hadamardEntry(size: number, i: number, j: number): number {
  const { order, doubled, blocks } = hadamardPlan(size), block = size / blocks;
  if (Math.floor(i / block) !== Math.floor(j / block)) return 0;
  const row = Math.floor(i % block / doubled), column = Math.floor(j % block / doubled);
  let common = i % doubled & j % doubled, sign = hadamardMatrix(order)[row * order + column];
  for (; common > 0; common >>= 1) if (common & 1) sign = -sign;
  return sign;
}

/** Transforms in place. */
export function hadamardProduct(x: Float32Array, shape: HadamardShape): void {
  const { rows, size, stride = 1, transposed = false } = shape;
  const factor = hadamardScale(hadamardPlan(size)), input = x.slice();
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < size; i++) {
      for (let inner = 0; inner < stride; inner++) {
        let sum = 0;
        for (let j = 0; j < size; j++) {
          const entry = transposed ? hadamardEntry(size, j, i) : hadamardEntry(size, i, j);
          sum += entry * input[(row * size + j) * stride + inner];
        }
        x[(row * size + i) * stride + inner] = factor * sum;
      }
    }
  }
}
