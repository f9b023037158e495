/**
 * Rotations of what a decoder computes in (QuaRot, Ashkboos et al., NeurIPS 2024, section 4; computational invariance as in SliceGPT): an
 * orthogonal matrix turns hidden states, values or inputs, and its inverse stands in the weights that read them, so that the function stays
 * the same while outliers are spread over all channels. A root mean square commutes with a rotation, a factor per channel does not: norms
 * are fused into the layers that read them first.
 */
import { TorchRandom } from "../../base/random.ts";
import { hadamard } from "../../kernels/host/hadamard.ts";
import { orthogonalFactor } from "../linear_algebra/qr.ts";
import { SchemeError } from "../error.ts";

/** An orthogonal matrix `Q` of the size of a vector. */
export interface Rotation {
  /** Length of the vectors that it turns. */
  readonly size: number;
  /** Each vector `v` of a `[rows, size, stride]` array becomes `v Q`, in place. */
  apply(x: Float64Array, rows: number, stride?: number): void;
}

/** `Q = diag(signs) H / sqrt(n)`: a Hadamard matrix, its rows with random signs; without signs `H / sqrt(n)`. */
export function hadamardRotation(size: number, signs?: Int8Array): Rotation {
  return {
    size,
    apply(x, rows, stride = 1) {
      if (signs !== undefined) {
        for (let i = 0; i < rows * size * stride; i++) x[i] *= signs[Math.floor(i / stride) % size];
      }
      // v H is H^T v.
      hadamard(x, { rows, size, stride, transposed: true });
    },
  };
}

/** A matrix given by its values `[size, size]`. */
export function matrixRotation(matrix: Float64Array | Float32Array, size: number): Rotation {
  const vector = new Float64Array(size), sums = new Float64Array(size);
  return {
    size,
    apply(x, rows, stride = 1) {
      for (let start = 0; start < rows * size * stride; start += size * stride) {
        for (let at = start; at < start + stride; at++) {
          for (let i = 0; i < size; i++) vector[i] = x[at + i * stride];
          sums.fill(0);
          for (let i = 0; i < size; i++) {
            const value = vector[i];
            for (let j = 0; j < size; j++) sums[j] += value * matrix[i * size + j];
          }
          for (let j = 0; j < size; j++) x[at + j * stride] = sums[j];
        }
      }
    },
  };
}

/** A Hadamard matrix with the signs that QuaRot's code draws first after its seed. */
export function randomHadamard(size: number, seed: number): Rotation {
  return hadamardRotation(size, new TorchRandom(seed).signs(size));
}

/** The orthogonal factor of normal numbers, uniformly distributed over all rotations and reflections. */
export function randomOrthogonal(size: number, seed: number): Rotation {
  if (size < 4) throw new SchemeError("shape", `a random rotation of ${size} dimensions: expected 4 or more`);
  return matrixRotation(orthogonalFactor(new TorchRandom(seed).normals(size * size), size), size);
}
