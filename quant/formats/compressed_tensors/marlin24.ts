/**
 * `marlin-24` of compressed-tensors up to 0.9, read: 4-bit codes of which two of four inputs are left, in the order in which Sparse-Marlin's
 * CUDA kernel reads them (Frantar et al., "MARLIN", 2024, section 4), and `meta`, the places of those that are left, in CUTLASS's.
 *
 * Scales of rows lie in order. Those of groups lie as the kernel reads them since version 0.8, and in order before, where a string is asked
 * whether it "is" a member of an enumeration, which it never is; and in order in all versions where a group has half the inputs or more,
 * which is compared with the inputs that are left. Codes do not tell the orders apart, `version` does: without it they are refused.
 */
import type { Checkpoint } from "../../../model/checkpoint/checkpoint.ts";
import { show } from "../../../base/show.ts";
import { CheckpointError } from "../../../model/files/error.ts";
import { UniformWeight } from "../../weights/uniform.ts";
import { floatsOf, integersOf, rawOf, refuse, requireShape } from "../source.ts";
import type { WeightSettings } from "./settings.ts";

/** The endings of a module's tensors. */
export const marlin24Endings = [".weight_packed", ".scale_packed", ".meta"];

/** Which of eight scales of neighbouring rows stands at each place, where groups are in the kernel's order. */
const scaleOrder = [0, 4, 1, 5, 2, 6, 3, 7];

/** The code of a weight that was pruned. */
const middle = 8;

/** Where each of the 1024 codes of a tile belongs: a lane of a warp holds four rows of two blocks, four columns side by side. */
function tileOrder(): number[] {
  const order: number[] = [];
  for (let lane = 0; lane < 32; lane++) {
    const pair = lane % 4, column = Math.floor(lane / 4);
    const first = 256 * Math.floor(column / 2) + 8 * (column % 2);
    const fragment = [0, 4].flatMap((block) =>
      [0, 1, 8, 9].map((row) => 16 * (2 * pair + row) + first + block)
    );
    // Two masks take even and odd codes out of a word.
    for (let j = 0; j < 4; j++) order.push(...[0, 2, 4, 6, 1, 3, 5, 7].map((i) => fragment[i] + j));
  }
  return order;
}

/** Where the word of row `row` and column `column` of the places lies: rows are shuffled within 64, then 2 x 2 blocks turned over. */
function metaPlace(row: number, column: number, rows: number): number {
  const within = row % 64;
  let to = row - within + row % 2 * 2 + Math.floor(row % 8 / 4) + Math.floor(row % 4 / 2) * 32 +
    Math.floor(within / 8) * 4;
  let at = column;
  if (to % 2 === 0 && at % 2 === 1) [to, at] = [to + 1, at - 1];
  else if (to % 2 === 1 && at % 2 === 0) [to, at] = [to - 1, at + 1];
  return Math.floor(at / 2) * 2 * rows + 2 * to + at % 2;
}

/**
 * A weight of 4-bit integers, half of which were pruned.
 *
 * @throws {CheckpointError} `config` for settings that are not read, `shape` where the tensors disagree
 */
export async function readMarlin24(
  checkpoint: Checkpoint,
  module: string,
  { bits, strategy, symmetric, groupSize }: WeightSettings,
  version: unknown,
): Promise<UniformWeight> {
  if (bits !== 4 || strategy !== "channel" && strategy !== "group" || !symmetric) {
    refuse(
      checkpoint,
      `${module}: format "marlin-24" with ${bits} bits by strategy "${strategy}": expected 4 bits, symmetric, by "channel" or "group"`,
    );
  }
  const [tiles, width = 0] = checkpoint.shape(`${module}.weight_packed`),
    inputs = 32 * tiles,
    out = width / 2;
  if (out % 64 !== 0 || out === 0) {
    throw new CheckpointError(
      "shape",
      `${checkpoint.directory}: tensor "${module}.weight_packed" has shape [${tiles},${width}]: expected columns by 128`,
    );
  }
  const why = `a weight of [${out}, ${inputs}]`, kept = inputs / 2;
  requireShape(checkpoint, `${module}.meta`, [tiles, width], why);
  const size = strategy === "group" && groupSize !== null ? Math.min(groupSize, inputs) : inputs;
  const groups = Math.ceil(inputs / size);
  requireShape(checkpoint, `${module}.scale_packed`, [groups, out], why);
  const inOrder = size >= kept || areInOrder(version);
  if (inOrder === null) {
    refuse(
      checkpoint,
      `${module}: format "marlin-24" in groups of ${size}: expected the version that wrote it as quantization_config's version, ` +
        `got ${
          show(version ?? null)
        } (until 0.7.1 scales lie in order, from 0.8 on as the kernel reads them, and codes do not tell which)`,
    );
  }
  const words = await integersOf(checkpoint, `${module}.weight_packed`), order = tileOrder();
  const left = new Uint8Array(out * kept);
  for (let i = 0; i < left.length; i++) {
    const place = i - i % 1024 + order[i % 1024], block = place % (out * 16);
    const row = 16 * Math.floor(place / (out * 16)) + Math.floor(block % 256 / 16);
    const column = 16 * Math.floor(block / 256) + block % 16;
    left[column * kept + row] = (words[i >> 3] >>> (4 * (i & 7))) & 15;
  }
  const { data: meta } = await rawOf(checkpoint, `${module}.meta`, ["I16"]);
  const codes = new Uint8Array(out * inputs).fill(middle);
  for (let row = 0; row < out; row++) {
    for (let i = 0; i < kept; i++) {
      const word = Number(meta[metaPlace(row, i >> 3, out)]), at = (word >> (2 * (i & 7))) & 3;
      codes[row * inputs + 4 * (i >> 1) + at] = left[row * kept + i];
    }
  }
  const stored = await floatsOf(checkpoint, `${module}.scale_packed`),
    scales = new Float32Array(stored.length);
  for (const [i, scale] of stored.entries()) {
    const place = i % out, row = inOrder ? place : place - place % 8 + scaleOrder[place % 8];
    scales[row * groups + Math.floor(i / out)] = scale;
  }
  return new UniformWeight({ shape: [out, inputs], bits: 4, groupSize: size, codes, scales, zeros: middle });
}

/** Whether a version of the library left scales of groups in order; null where it is no release that is known to do one of both. */
function areInOrder(version: unknown): boolean | null {
  const [, major, minor, rest] = /^(\d+)\.(\d+)(\..*)?$/.exec(String(version)) ?? [];
  if (major === undefined) return null;
  if (Number(major) > 0 || Number(minor) >= 8) return false;
  // A preview of 0.8 counts on from 0.7.1.
  return rest === undefined || /^\.\d+$/.test(rest) ? true : null;
}
