/**
 * Parses the header of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): counts, typed metadata, then
 * for each tensor its name, dimensions, type and offset. Nothing is allocated from a number that was not checked.
 */
import { log2 } from "../../base/elementary.ts";
import { CheckpointError } from "../files/error.ts";
import { type GgufType, ggufType, ggufTypes } from "./types.ts";

/** A metadata value: 64-bit integers are `bigint`; arrays of numbers are lists. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

/** Where a tensor lies and how it is stored. */
export interface GgufTensor {
  /** Storage type. */
  readonly type: GgufType;
  /** Dimensions, row-major: the reverse of how the file lists them. */
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly offset: number;
  /** Stored bytes. */
  readonly byteLength: number;
}

/** A checked header. */
export interface GgufHeader {
  /** 2 or 3. */
  readonly version: number;
  /** Whether numbers have their lowest byte first; files for other machines have it last. */
  readonly littleEndian: boolean;
  /** Metadata by key; names such as `__proto__` are data. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Tensors by name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** No real header is near this size. */
export const maxGgufHeader = 100_000_000;

/** The bytes given so far do not hold the whole header; the file goes on. */
export class NeedMore extends Error {}

const maxName = 64, maxDimensions = 4, maxDepth = 4;
/** Bytes of a value of each type; those of strings and arrays are what the shortest one takes. */
const valueBytes = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8] as const;
const stringType = 8, arrayType = 9;

/**
 * Parses the first bytes of a file.
 *
 * @throws {CheckpointError} `format`, `header`, `truncated`, `dtype`, `shape` or `offsets`; {NeedMore} when `bytes` end
 * before the header does but the file goes on
 */
export function parseGgufHeader(bytes: Uint8Array, fileSize: number, file: string): GgufHeader {
  const fail = (code: "format" | "header", message: string): never => {
    throw new CheckpointError(code, `${file}: ${message}`);
  };
  if (fileSize === 0) fail("format", "the file is empty");
  const cursor = new Cursor(bytes, fileSize, file);
  const magic = cursor.take(4, "magic");
  const text = String.fromCharCode(...magic);
  if (text !== "GGUF") fail("format", `magic is ${JSON.stringify(text)}: expected "GGUF"`);
  // Which end comes first is not said: a small version shows it, as in gguf-py.
  const version = cursor.version();
  if (version !== 2 && version !== 3) fail("format", `version ${version}: expected 2 or 3`);
  const tensorCount = cursor.count("number of tensors", 24);
  const pairCount = cursor.count("number of metadata pairs", 13);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < pairCount; i++) {
    const key = cursor.name(`key of metadata ${i}`);
    if (key === "") fail("header", `metadata ${i} has an empty key`);
    if (metadata.has(key)) fail("header", `metadata key ${key} stands twice`);
    metadata.set(key, cursor.value(cursor.u32(`type of ${key}`), key, 0));
  }
  const alignment = alignmentOf(metadata, file);
  const infos: { name: string; type: GgufType; shape: number[]; offset: bigint; byteLength: number }[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.name(`name of tensor ${i}, behind ${pairCount} pairs of metadata,`, maxName);
    if (name === "") fail("header", `tensor ${i} has an empty name`);
    if (names.has(name)) fail("header", `tensor name ${name} stands twice`);
    names.add(name);
    const dimensions = cursor.u32(`dimensions of ${name}`);
    if (dimensions > maxDimensions) {
      throw new CheckpointError(
        "shape",
        `${file}: tensor "${name}" has ${dimensions} dimensions: expected 0 to ${maxDimensions}`,
      );
    }
    const sizes = Array.from({ length: dimensions }, () => cursor.u64(`dimensions of ${name}`));
    const type = typeOf(cursor.u32(`type of ${name}`), name, file);
    infos.push({ name, type, ...measure(sizes, type, name, file), offset: cursor.u64(`offset of ${name}`) });
  }
  const start = Math.ceil(cursor.at / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const { name, type, shape, offset, byteLength } of infos) {
    const end = offset + BigInt(byteLength) + BigInt(start);
    if (offset % BigInt(alignment) !== 0n) {
      throw new CheckpointError(
        "offsets",
        `${file}: tensor "${name}": offset ${offset} is no multiple of ${alignment}`,
      );
    }
    if (end > BigInt(fileSize)) {
      throw new CheckpointError(
        "truncated",
        `${file}: truncated: tensor "${name}" at offset ${offset} ends at byte ${end}, the file at ${fileSize}`,
      );
    }
    tensors.set(name, { type, shape, offset: start + Number(offset), byteLength });
  }
  checkOverlap(tensors, file);
  return { version, littleEndian: cursor.littleEndian, metadata, tensors };
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>, file: string): number {
  const value = metadata.get("general.alignment") ?? 32;
  if (typeof value === "number" && value >= 8 && value <= 2 ** 20 && Number.isInteger(log2(value))) {
    return value;
  }
  throw new CheckpointError(
    "header",
    `${file}: general.alignment is ${value}: expected a power of two from 8 to ${2 ** 20}`,
  );
}

function typeOf(id: number, name: string, file: string): GgufType {
  const type = ggufType(id);
  if (type !== undefined) return type;
  throw new CheckpointError(
    "dtype",
    `${file}: tensor "${name}" has type ${id}: expected ${ggufTypes.map((one) => one.name).join(", ")}`,
  );
}

function measure(
  sizes: readonly bigint[],
  type: GgufType,
  name: string,
  file: string,
): { shape: number[]; byteLength: number } {
  const row = sizes[0] ?? 1n, block = BigInt(type.block);
  const elements = sizes.reduce((product, size) => product * size, 1n);
  if (elements > 2n ** 50n) {
    throw new CheckpointError("shape", `${file}: tensor "${name}" of ${elements} elements: that is too many`);
  }
  if (row % block !== 0n) {
    throw new CheckpointError(
      "shape",
      `${file}: tensor "${name}": rows of ${row} are no multiple of the ${block} of a block of ${type.name}`,
    );
  }
  return { shape: sizes.map(Number).reverse(), byteLength: Number(elements / block) * type.bytes };
}

function checkOverlap(tensors: ReadonlyMap<string, GgufTensor>, file: string): void {
  // Of two at one offset the later one of the file is the culprit.
  const inOrder = [...tensors].filter(([, { byteLength }]) => byteLength > 0).sort(([, a], [, b]) =>
    a.offset - b.offset
  );
  for (const [i, [name, { offset }]] of inOrder.entries()) {
    if (i === 0) continue;
    const [before, { offset: from, byteLength }] = inOrder[i - 1];
    if (from + byteLength > offset) {
      throw new CheckpointError("offsets", `${file}: tensor "${name}" overlaps tensor "${before}"`);
    }
  }
}

/** Reads values one after the other. */
class Cursor {
  at = 0;
  littleEndian = true;
  readonly #view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly fileSize: number,
    private readonly file: string,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  take(length: number | bigint, what: string): Uint8Array {
    if (BigInt(this.at) + BigInt(length) > BigInt(this.fileSize)) {
      throw new CheckpointError(
        "truncated",
        `${this.file}: truncated: ${what} needs ${length} bytes, ${this.fileSize - this.at} are left`,
      );
    }
    const end = this.at + Number(length);
    if (end > maxGgufHeader) {
      throw new CheckpointError("header", `${this.file}: ${what}: the header is over ${maxGgufHeader} bytes`);
    }
    if (end > this.bytes.length) throw new NeedMore();
    return this.bytes.subarray(this.at, this.at = end);
  }

  version(): number {
    const version = this.u32("version");
    if ((version & 0xffff) !== 0) return version;
    this.littleEndian = false;
    return this.#view.getUint32(this.at - 4, false);
  }

  u32(what: string): number {
    this.take(4, what);
    return this.#view.getUint32(this.at - 4, this.littleEndian);
  }

  u64(what: string): bigint {
    this.take(8, what);
    return this.#view.getBigUint64(this.at - 8, this.littleEndian);
  }

  /** A number of things of at least `bytes` bytes each, which the rest of the file must have room for. */
  count(what: string, bytes: number): number {
    const count = this.u64(what);
    if (count * BigInt(bytes) > BigInt(this.fileSize - this.at)) {
      throw new CheckpointError(
        "truncated",
        `${this.file}: truncated: ${what} is ${count}, but only ${this.fileSize - this.at} bytes are left`,
      );
    }
    return Number(count);
  }

  /** A key or a tensor's name. */
  name(what: string, limit = 65535): string {
    const length = this.u64(`length of the ${what}`);
    const bytes = this.take(length, what);
    if (bytes.length > limit) {
      throw new CheckpointError(
        "header",
        `${this.file}: ${what} has ${length} bytes: expected at most ${limit}`,
      );
    }
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new CheckpointError("header", `${this.file}: ${what} is not valid UTF-8`);
    }
  }

  value(type: number, key: string, depth: number): GgufValue {
    if (type === stringType) {
      const bytes = this.take(this.u64(`length of ${key}`), `value of ${key}`);
      // Tokens of some vocabularies are not UTF-8: they become replacement characters.
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    }
    if (type === arrayType) return this.#array(key, depth);
    const size = valueBytes[type];
    if (size === undefined) {
      throw new CheckpointError("header", `${this.file}: ${key} has value type ${type}: expected 0 to 12`);
    }
    this.take(size, `value of ${key}`);
    return this.#scalar(type, this.at - size, key);
  }

  #array(key: string, depth: number): GgufValue[] {
    const type = this.u32(`element type of ${key}`);
    const size = valueBytes[type];
    if (size === undefined || depth === maxDepth) {
      const reason = size === undefined
        ? `element type ${type}: expected 0 to 12`
        : `over ${maxDepth} levels`;
      throw new CheckpointError("header", `${this.file}: ${key} is an array of ${reason}`);
    }
    const length = this.count(`length of ${key}`, size);
    const values: GgufValue[] = [];
    for (let i = 0; i < length; i++) values.push(this.value(type, key, depth + 1));
    return values;
  }

  #scalar(type: number, at: number, key: string): number | bigint | boolean {
    const view = this.#view;
    switch (type) {
      case 0:
        return view.getUint8(at);
      case 1:
        return view.getInt8(at);
      case 2:
        return view.getUint16(at, this.littleEndian);
      case 3:
        return view.getInt16(at, this.littleEndian);
      case 4:
        return view.getUint32(at, this.littleEndian);
      case 5:
        return view.getInt32(at, this.littleEndian);
      case 6:
        return view.getFloat32(at, this.littleEndian);
      case 10:
        return view.getBigUint64(at, this.littleEndian);
      case 11:
        return view.getBigInt64(at, this.littleEndian);
      case 12:
        return view.getFloat64(at, this.littleEndian);
    }
    const flag = view.getUint8(at);
    if (flag <= 1) return flag === 1;
    throw new CheckpointError(
      "header",
      `${this.file}: ${key} is a boolean of value ${flag}: expected 0 or 1`,
    );
  }
}
