/** Weights of integers whose columns name their group: GPTQ's and compressed-tensors' index of activation order. */
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { DecodedWeight } from "../weights/decoded.ts";
import { UniformWeight } from "../weights/uniform.ts";

/** A weight whose column `j` has the scale and zero point of group `index[j]`; scales and zero points are `[out, groups]`. */
export function grouped(
  shape: readonly [out: number, inputs: number],
  bits: number,
  codes: Uint8Array,
  scales: Float32Array,
  zeros: Uint8Array,
  index: Int32Array,
): StoredWeight {
  const [out, inputs] = shape, groups = scales.length / out, groupSize = inputs / groups;
  const order = Int32Array.from(index.keys()).sort((a, b) => index[a] - index[b] || a - b);
  // Groups of one size: the columns of a group are brought together.
  if (order.every((column, j) => index[column] === Math.floor(j / groupSize))) {
    const isSorted = order.every((column, j) => column === j);
    const parts = { shape, bits, groupSize, scales, zeros };
    if (isSorted) return new UniformWeight({ ...parts, codes });
    const moved = Uint8Array.from(codes, (_, i) => codes[i - i % inputs + order[i % inputs]]);
    return new UniformWeight({ ...parts, codes: moved, permutation: order });
  }
  const bytes = Math.ceil(bits * (codes.length + zeros.length) / 8) + scales.byteLength + index.byteLength;
  return new DecodedWeight(shape, bytes, () =>
    Float32Array.from(codes, (code, i) => {
      const group = Math.floor(i / inputs) * groups + index[i % inputs];
      return scales[group] * (code - zeros[group]);
    }));
}
