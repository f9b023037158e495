/** Sparse matrices of compressed-tensors up to 0.9: the values that are left, and a bit for each place. */
import type { Checkpoint } from "../../../model/checkpoint/checkpoint.ts";
import type { StoredWeight } from "../../../model/decoder/parameter.ts";
import { DecodedWeight } from "../../weights/decoded.ts";
import { floatsOf, rawOf, refuse, requireShape } from "../source.ts";

/** The endings of a module's tensors. */
export const sparseEndings = [".compressed", ".bitmask", ".shape", ".row_offsets"];

/** Layouts that are read: two of four values left, or any number. */
export const sparseFormats: readonly string[] = ["sparse-24-bitmask", "sparse-bitmask"];

/**
 * A matrix of floats without its zeros.
 *
 * @throws {CheckpointError} `shape` or `config` where mask and values disagree
 */
export async function readSparse(checkpoint: Checkpoint, module: string): Promise<StoredWeight> {
  const { data } = await rawOf(checkpoint, `${module}.shape`, ["I64", "I32"]);
  const [out = 0, inputs = 0] = Array.from(data, Number);
  requireShape(
    checkpoint,
    `${module}.bitmask`,
    [out, Math.ceil(inputs / 8)],
    `a matrix of [${out}, ${inputs}]`,
  );
  const mask = (await rawOf(checkpoint, `${module}.bitmask`, ["U8"])).data as Uint8Array;
  const values = await floatsOf(checkpoint, `${module}.compressed`), rowBytes = Math.ceil(inputs / 8);
  const isKept = (i: number) =>
    (mask[Math.floor(i / inputs) * rowBytes + (i % inputs >> 3)] >> (i % inputs & 7)) & 1;
  let kept = 0;
  for (let i = 0; i < out * inputs; i++) kept += isKept(i);
  if (kept !== values.length) {
    refuse(
      checkpoint,
      `"${module}.bitmask" keeps ${kept} values, "${module}.compressed" has ${values.length}`,
    );
  }
  const bytes = checkpoint.storage(`${module}.compressed`).bytes + mask.byteLength;
  return new DecodedWeight([out, inputs], bytes, () => {
    const matrix = new Float32Array(out * inputs);
    for (let i = 0, next = 0; i < matrix.length; i++) if (isKept(i)) matrix[i] = values[next++];
    return matrix;
  });
}
