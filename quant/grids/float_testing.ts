/** Vectors of element and block formats, as `fixtures/made-with/take_format_vectors.py` writes them. */
import { openSafetensors } from "../../model/safetensors.ts";

const file = await openSafetensors(
  new URL("../../fixtures/expected/methods2/formats/vectors.safetensors", import.meta.url),
);

/** What the file says beside its tensors: names of blocks, digests of whole matrices. */
export const metadata: ReadonlyMap<string, string> = file.metadata;

/** Names of tensors that begin so. */
export function vectorNames(prefix: string): string[] {
  return [...file.tensors.keys()].filter((name) => name.startsWith(prefix));
}

/** Codes, or values. */
export async function vector(name: string): Promise<Uint8Array | Float32Array> {
  const { data } = await file.read(name);
  if (data instanceof Uint8Array || data instanceof Float32Array) return data;
  throw new TypeError(`${name} has neither codes nor values`);
}

/** Float32 values that are stored as their bits. */
export async function floats(name: string): Promise<Float32Array> {
  const { data } = await file.read(name);
  if (!(data instanceof Int32Array)) throw new TypeError(`${name} has no bits`);
  return new Float32Array(data.slice().buffer);
}

/** Rows and columns of a tensor. */
export function shapeOf(name: string): { rows: number; columns: number } {
  const [rows, columns] = file.info(name).shape;
  return { rows, columns };
}

/** Bits of float32 values, all NaNs alike. */
export function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.map((x) => Number.isNaN(x) ? NaN : x).buffer);
}
