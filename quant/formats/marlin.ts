/**
 * The order in which QQQ's CUDA kernel reads 4-bit weights (MARLIN's layout): tiles of 16 inputs by 16 outputs, four of
 * them permuted together so that each thread of a warp finds the weights of its tensor-core fragment in consecutive
 * words, and eight nibbles of a word in the order in which two masks take them out.
 */
import { SchemeError } from "../error.ts";

/** Kinds of codes: two's complement per row (`"channel"`), or offset by 8 in groups (`"group"`). */
export type NibbleKind = "channel" | "group";

const interleaved = { channel: [4, 0, 5, 1, 6, 2, 7, 3], group: [0, 2, 4, 6, 1, 3, 5, 7] } as const;

/** Where each of 1024 weights (four tiles) comes from. */
export function tilePermutation(kind: NibbleKind): Int32Array {
  const permutation: number[] = [];
  for (let lane = 0; lane < 32; lane++) {
    const fragment = [0, 1].flatMap((block) =>
      [0, 1, 2, 3].map((r) => 16 * (4 * (lane % 4) + r) + Math.floor(lane / 4) + 8 * block)
    );
    for (let tile = 0; tile < 4; tile++) {
      permutation.push(...interleaved[kind].map((i) => fragment[i] + 256 * tile));
    }
  }
  return Int32Array.from(permutation);
}

/**
 * Signed codes `[out, in]` as words `[in / 16, 2 * out]`.
 *
 * @throws {SchemeError} `shape` unless both sizes are multiples of 64 and one of them is a multiple of 128, or outputs
 * of 256
 */
export function packNibbles(codes: Int8Array, out: number, inputs: number, kind: NibbleKind): Uint32Array {
  const fits = [[64, 256], [128, 128], [128, 64], [64, 128]];
  if (!fits.some(([a, b]) => inputs % a === 0 && out % b === 0)) {
    throw new SchemeError(
      "shape",
      `a weight of ${out} x ${inputs} has no kernel layout: expected 64 x 128 tiles`,
    );
  }
  const tiled = new Uint8Array(out * inputs);
  for (let k = 0, i = 0; k < inputs; k += 16) {
    for (let n = 0; n < out; n += 16) {
      for (let row = 0; row < 16; row++) {
        for (let column = 0; column < 16; column++, i++) {
          const code = codes[(n + column) * inputs + k + row];
          tiled[i] = kind === "channel" ? code & 15 : code + 8;
        }
      }
    }
  }
  const permutation = tilePermutation(kind), words = new Uint32Array(tiled.length / 8);
  for (let i = 0; i < tiled.length; i++) {
    const nibble = tiled[i - i % 1024 + permutation[i % 1024]];
    words[i >> 3] |= nibble << (4 * (i & 7));
  }
  return words;
}
