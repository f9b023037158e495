/**
 * DGQ's two searches (Zhang et al. 2023, section 3.2): shrunken ranges of groups by the error that each causes in the layer's output alone, then
 * a row scale under which the groups' scales become integers, by the error of the whole output. With `G` the mean of `x x^T` over tokens, a
 * row that is off by `d` is off in its output by `d G d^T`, so the inputs themselves are not kept. Values are float32 as in the original code.
 */
import type { Device, DeviceWeight } from "../../../kernels/device.ts";
import { roundHalfEven } from "../../../kernels/round.ts";
import type { InputStatistics, Matrix } from "../../method.ts";
import type { DualGrainedParts } from "../../weights/dual_grained.ts";

const f32 = Math.fround;
const groupCandidates = 20, rowCandidates = 80;

/** Scales and zero points of groups, `[out, groups]` each. A group of zeros has scale 0. */
export interface Groups {
  readonly groupSize: number;
  readonly scales: Float32Array;
  readonly zeros: Float32Array;
}

/** Mean squared output error of each row of `deltas` `[rows, columns]`. */
async function outputErrors(device: Device, gram: DeviceWeight, deltas: Float32Array): Promise<Float64Array> {
  const columns = gram.inFeatures, rows = deltas.length / columns;
  using x = device.upload(deltas), y = device.allocate(deltas.length);
  device.linear(x, gram, null, y, rows);
  const products = await device.read(y), errors = new Float64Array(rows);
  for (let i = 0; i < deltas.length; i++) errors[Math.floor(i / columns)] += deltas[i] * products[i];
  return errors;
}

function gramBlock(
  device: Device,
  { gram, tokens }: InputStatistics,
  columns: number,
  first: number,
  count: number,
) {
  const block = Float32Array.from({ length: count * count }, (_, i) => {
    const row = first + Math.floor(i / count), column = first + i % count;
    return gram[row * columns + column] / tokens;
  });
  return device.weight(block, count, count);
}

/** `round(x / scale) + zero`, as a code. */
function encode(x: number, scale: number, zero: number, lowest: number, highest: number): number {
  const code = roundHalfEven(f32(x / scale)) + zero;
  return code < lowest ? lowest : code > highest ? highest : code;
}

/**
 * Ranges of all groups, each from 0.8 to 1.009 of its own. 0 need not lie in a range; it does in rows of `withZero`, and in groups of equal
 * weights, whose range would be empty.
 */
export async function searchGroups(
  { rows, columns, data }: Matrix,
  input: InputStatistics,
  groupSize: number,
  device: Device,
  withZero: ReadonlySet<number> = new Set(),
): Promise<Groups> {
  const groups = columns / groupSize;
  const scales = new Float32Array(rows * groups), zeros = new Float32Array(rows * groups).fill(1);
  for (let group = 0; group < groups; group++) {
    using gram = gramBlock(device, input, columns, group * groupSize, groupSize);
    const at = (row: number) => row * columns + group * groupSize;
    const deltas = new Float32Array(groupCandidates * rows * groupSize);
    const triedScales = new Float32Array(groupCandidates * rows), triedZeros = triedScales.slice();
    for (let row = 0; row < rows; row++) {
      const weights = data.subarray(at(row), at(row) + groupSize);
      let least = Math.min(...weights), most = Math.max(...weights);
      if (withZero.has(row) || least === most) [least, most] = [Math.min(least, 0), Math.max(most, 0)];
      if (least === most) continue;
      // Clamped again and again, as the original does: where all weights have one sign, the first range keeps its inner end.
      const clamped = weights.slice();
      for (let i = 0; i < groupCandidates; i++) {
        const ratio = f32(1.02 - (i + 1) / groupCandidates * 0.22), tried = i * rows + row;
        const low = f32(least * ratio), high = f32(most * ratio), scale = f32(f32(high - low) / 15);
        const zero = roundHalfEven(f32(-low / scale));
        for (let j = 0; j < groupSize; j++) {
          clamped[j] = Math.min(Math.max(clamped[j], low), high);
          const value = f32(scale * (encode(clamped[j], scale, zero, 0, 15) - zero));
          deltas[tried * groupSize + j] = weights[j] - value;
        }
        [triedScales[tried], triedZeros[tried]] = [scale, zero];
      }
    }
    const errors = await outputErrors(device, gram, deltas), best = new Float64Array(rows).fill(Infinity);
    for (const [tried, error] of errors.entries()) {
      const row = tried % rows, found = row * groups + group;
      if (triedScales[tried] === 0 || !(error < best[row])) continue;
      best[row] = error;
      [scales[found], zeros[found]] = [triedScales[tried], triedZeros[tried]];
    }
  }
  return { groupSize, scales, zeros };
}

/** Codes `[out, in]` of groups with float scales. */
export function encodeGroups({ data }: Matrix, { groupSize, scales, zeros }: Groups): Uint8Array {
  return Uint8Array.from(data, (w, i) => {
    const group = Math.floor(i / groupSize);
    return scales[group] === 0 ? 1 : encode(w, scales[group], zeros[group], 0, 15);
  });
}

/** Codes and scales of a weight on two levels; rows in which no code of a one-sided group is an int8 get ranges with 0. */
export async function searchRows(
  weight: Matrix,
  input: InputStatistics,
  groups: Groups,
  device: Device,
): Promise<DualGrainedParts> {
  const found = await bestRowScales(weight, input, groups, device);
  if (found.without.size === 0) return found.parts;
  const again = await searchGroups(weight, input, groups.groupSize, device, found.without);
  return (await bestRowScales(weight, input, again, device)).parts;
}

/** A row under one row scale: fills in codes and the groups' integer scales; false where a group has no code that is an int8. */
function encodeRow(
  weights: Float32Array,
  limit: number,
  rowScale: number,
  { groupSize, scales, zeros }: Groups,
  codes: Uint8Array,
  groupScales: Uint8Array,
): boolean {
  for (let group = 0; group < scales.length; group++) {
    const zero = zeros[group], integer = Math.max(1, roundHalfEven(f32(scales[group] / rowScale)));
    // Groups of zeros have scale 0, and 1 is as good as any.
    const reach = Math.floor(127 / integer), step = f32(integer * rowScale);
    const lowest = Math.max(0, zero - reach), highest = Math.min(15, zero + reach);
    if (lowest > highest || Math.abs(zero) > 127) return false;
    groupScales[group] = integer;
    for (let i = group * groupSize; i < (group + 1) * groupSize; i++) {
      const clamped = Math.min(Math.max(weights[i], -limit), limit);
      codes[i] = encode(clamped, step, zero, lowest, highest);
    }
  }
  return true;
}

async function bestRowScales(
  { rows, columns, data }: Matrix,
  input: InputStatistics,
  all: Groups,
  device: Device,
): Promise<{ parts: DualGrainedParts; without: Set<number> }> {
  const { groupSize } = all, count = columns / groupSize;
  const codes = new Uint8Array(rows * columns), groupScales = new Uint8Array(rows * count);
  const rowScales = new Float32Array(rows), best = new Float64Array(rows).fill(Infinity);
  const deltas = new Float32Array(rows * columns), triedScales = new Float32Array(rows);
  const groupsOf = Array.from({ length: rows }, (_, row): Groups => {
    const [start, end] = [row * count, (row + 1) * count];
    return { groupSize, scales: all.scales.subarray(start, end), zeros: all.zeros.subarray(start, end) };
  });
  const weightsOf = (row: number) => data.subarray(row * columns, (row + 1) * columns);
  const largest = Float32Array.from(
    { length: rows },
    (_, row) => weightsOf(row).reduce((most, w) => Math.max(most, Math.abs(w)), 0),
  );
  const encoded = (row: number, limit: number, rowScale: number) => {
    const [toCodes, toScales] = [codes.subarray(row * columns), groupScales.subarray(row * count)];
    return encodeRow(weightsOf(row), limit, rowScale, groupsOf[row], toCodes, toScales);
  };
  using gram = gramBlock(device, input, columns, 0, columns);
  for (let i = 0; i < rowCandidates; i++) {
    const ratio = f32(1.02 - (i + 1) / rowCandidates * 0.82);
    for (let row = 0; row < rows; row++) {
      const limit = f32(largest[row] * ratio), rowScale = f32(limit / 127), { zeros } = groupsOf[row];
      triedScales[row] = rowScale > 0 && encoded(row, limit, rowScale) ? rowScale : 0;
      if (triedScales[row] === 0) continue;
      for (let j = 0, at = row * columns; j < columns; j++, at++) {
        const group = Math.floor(j / groupSize), step = f32(groupScales[row * count + group] * rowScale);
        deltas[at] = data[at] - f32(step * (codes[at] - zeros[group]));
      }
    }
    for (const [row, error] of (await outputErrors(device, gram, deltas)).entries()) {
      if (triedScales[row] === 0 || !(error < best[row])) continue;
      [best[row], rowScales[row]] = [error, triedScales[row]];
    }
  }
  const without = new Set<number>();
  for (let row = 0; row < rows; row++) {
    if (rowScales[row] === 0 && largest[row] > 0) without.add(row);
    // A row of zeros may have any scale.
    if (rowScales[row] === 0) rowScales[row] = 1;
    encoded(row, f32(127 * rowScales[row]), rowScales[row]);
  }
  const zeros = new Int8Array(all.zeros);
  return { parts: { shape: [rows, columns], groupSize, codes, rowScales, groupScales, zeros }, without };
}
