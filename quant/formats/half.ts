/** What float16 holds: files of other runtimes store scales and plain tensors in it, and a model is not what they cannot say. */
import type { UniformWeight } from "../weights/uniform.ts";
import { SchemeError } from "../error.ts";

// Twice the rounding of a normal number. Below 2^-14 float16 loses bits until nothing is left; beyond 65504 it has infinity.
const accepted = 2 ** -10;

function refuse(format: string, name: string, value: number, cause: string): never {
  throw new SchemeError(
    "values",
    `${format}: ${name} holds ${value}, which float16 stores as ${Math.f16round(value)}: ${cause}`,
  );
}

/** The first value that float16 does not hold to within 2^-10 of the largest magnitude of its row of `width` values. */
export function lostInHalf(values: Float32Array, width: number): number | undefined {
  for (let start = 0; start < values.length; start += width) {
    const row = values.subarray(start, start + width);
    const largest = row.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
    const bad = row.find((one) => !(Math.abs(Math.f16round(one) - one) <= accepted * largest));
    if (bad !== undefined) return bad;
  }
  return undefined;
}

/**
 * The values, if float16 holds them: each within 2^-10 of the largest magnitude of its row of `width` values.
 *
 * @throws {SchemeError} `values`
 */
export function requireHalf(
  format: string,
  name: string,
  values: Float32Array,
  width: number,
): Float32Array<ArrayBuffer> {
  const bad = lostInHalf(values, width);
  if (bad !== undefined) refuse(format, name, bad, "expected magnitudes from 6.1e-5 to 65504");
  return Float32Array.from(values);
}

/**
 * Throws where a value becomes infinite in float16.
 *
 * @throws {SchemeError} `values`
 */
export function requireFiniteHalf(format: string, name: string, value: number): void {
  if (!Number.isFinite(Math.f16round(value))) refuse(format, name, value, "expected magnitudes to 65504");
}

/**
 * Throws unless float16 holds the scales of a weight: what a group's weights change by is within 2^-10 of the largest weight
 * of the row. Groups of zeros may have any scale.
 *
 * @throws {SchemeError} `values`
 */
export function requireHalfScales(format: string, name: string, weight: UniformWeight): void {
  const { scales, groupSize, shape: [rows, columns] } = weight,
    codes = weight.codes(),
    zeros = weight.zeros();
  const spans = new Uint8Array(scales.length), largest = new Float64Array(rows);
  const groupOf = (at: number) => Math.floor(at / groupSize);
  for (let i = 0; i < codes.length; i++) {
    const group = groupOf(i), span = Math.abs(codes[i] - zeros[group]), row = Math.floor(i / columns);
    spans[group] = Math.max(spans[group], span);
    largest[row] = Math.max(largest[row], span * scales[group]);
  }
  for (let start = 0; start < codes.length; start += Math.min(groupSize, columns)) {
    const group = groupOf(start), scale = scales[group];
    if (spans[group] === 0) continue;
    const error = Math.abs(Math.f16round(scale) - scale) * spans[group];
    if (error <= accepted * largest[Math.floor(start / columns)]) continue;
    refuse(format, `the scales of ${name}`, scale, "expected scales from 6.1e-5 to 65504");
  }
}
