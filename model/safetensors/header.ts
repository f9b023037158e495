/** Parses and checks the header of a safetensors file; nothing is allocated from a number that was not checked. */
import { show } from "../../base/show.ts";
import { CheckpointError } from "../files/error.ts";
import { bitsPerElement, dtypes, isStoredDtype, type StoredDtype } from "../files/dtype.ts";
import { checkFields, type KnownFields } from "../../base/fields.ts";
import { decodeUtf8, isJsonObject, type JsonObject, own, parseJson } from "../../base/json.ts";

/** Where one tensor lies: `offset` and `byteLength` in bytes, `offset` from the start of the file. */
export interface TensorInfo {
  /** Element type as stored. */
  readonly dtype: StoredDtype;
  /** Dimensions; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly offset: number;
  /** Stored bytes. */
  readonly byteLength: number;
}

/** A checked header. */
export interface SafetensorsHeader {
  /** The string-to-string `__metadata__` of the file, empty when absent. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Tensors in the order of the header. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** What the header says that is not used, in sentences. */
  readonly notices: readonly string[];
}

/** The format's own limit on the header, in bytes. */
export const maxHeaderBytes = 100_000_000;

/**
 * The header length that the first 8 bytes of a file announce.
 *
 * @param start the first bytes of the file (up to 64 are useful: they tell what else the file may be)
 * @param fileSize size of the file in bytes
 * @throws {CheckpointError} `truncated`, `header`, or `format` when the file is of another kind.
 */
export function headerLength(start: Uint8Array, fileSize: number, file: string): number {
  if (fileSize < 8) {
    throw new CheckpointError(
      "truncated",
      `${file}: truncated: ${fileSize} bytes is too short for the 8 bytes of the header length`,
    );
  }
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  // All 64 bits: a reader that takes the low 32 accepts lengths that other readers do not see.
  const length = view.getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes) || length > BigInt(fileSize - 8)) {
    const other = otherKind(start);
    if (other) throw new CheckpointError("format", `${file}: this is ${other}, not a safetensors file`);
  }
  if (length > BigInt(maxHeaderBytes)) {
    throw new CheckpointError(
      "header",
      `${file}: header length ${length} is over the limit of ${maxHeaderBytes} bytes`,
    );
  }
  if (length > BigInt(fileSize - 8)) {
    throw new CheckpointError(
      "truncated",
      `${file}: truncated: header length ${length}, but only ${fileSize - 8} bytes follow`,
    );
  }
  if (length < 2n) {
    throw new CheckpointError("header", `${file}: header length ${length}: expected at least 2, for {}`);
  }
  return Number(length);
}

/** Names the kind of a file that is certainly not safetensors, by its first bytes. */
function otherKind(start: Uint8Array): string | undefined {
  const text = new TextDecoder("latin1").decode(start.subarray(0, 64)).trimStart();
  if (text.startsWith("GGUF")) return "a GGUF file";
  if (text.startsWith("PK\x03\x04")) return "a zip archive (a PyTorch pickle checkpoint?)";
  if (start[0] === 0x80 && start[1] >= 2 && start[1] <= 5) return "a Python pickle";
  if (text.startsWith("version https://git-lfs")) return "a Git LFS pointer (run: git lfs pull)";
  if (/^<(!doctype|html|\?xml|head|body)/i.test(text)) return "an HTML or XML page";
}

/**
 * Parses the JSON header and checks every entry against the size of the data.
 *
 * @param bytes the header, without the 8 length bytes
 * @param dataSize bytes of the file after the header
 * @throws {CheckpointError} `header`, `dtype`, `shape`, `offsets` or `truncated`
 */
export function parseHeader(bytes: Uint8Array, dataSize: number, file: string): SafetensorsHeader {
  if (bytes[0] !== 0x7b) {
    const found = bytes[0].toString(16).padStart(2, "0");
    throw new CheckpointError(
      "header",
      `${file}: header must begin with "{" (a JSON object in UTF-8), found byte 0x${found}`,
    );
  }
  let json: unknown;
  try {
    json = parseJson(decodeUtf8(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError("header", `${file}: header: ${reason}`, { cause: error });
  }
  if (!isJsonObject(json)) throw new CheckpointError("header", `${file}: header is not a JSON object`);
  const base = 8 + bytes.length;
  const metadata = new Map<string, string>();
  const tensors = new Map<string, TensorInfo>();
  const notices: string[] = [];
  for (const [name, entry] of Object.entries(json)) {
    if (name === "__metadata__") readMetadata(entry, metadata, file);
    else {
      tensors.set(name, readEntry(name, entry, base, dataSize, file));
      if (isJsonObject(entry)) notices.push(...unused(`${file}: tensor "${name}"`, entry, entryFields));
    }
  }
  checkCoverage(tensors, base, dataSize, file);
  // Of matrices that are one, safetensors writes the first and the names of the others.
  const said = [...metadata].filter(([name, value]) => tensors.has(name) || !tensors.has(value));
  notices.push(...unused(`${file}: __metadata__`, Object.fromEntries(said), metadataFields));
  return { metadata, tensors, notices };
}

const entryFields = { used: ["data_offsets", "dtype", "shape"] };

/** Frameworks by whose convention weights are stored alike, and sums over all files. */
const metadataFields = {
  used: [],
  harmless: ["total_parameters", "total_size", "quantbook.*"],
  refused: { format: ["pt", "tf", "flax", "mlx", "np"] },
};

function unused(source: string, values: JsonObject, fields: KnownFields): string[] {
  return checkFields(source, values, fields, (message) => {
    throw new CheckpointError("header", message);
  });
}

function readMetadata(entry: unknown, metadata: Map<string, string>, file: string): void {
  // As the reference reader: null is none.
  if (entry === null) return;
  if (!isJsonObject(entry)) {
    throw new CheckpointError("header", `${file}: __metadata__ must be an object of strings`);
  }
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== "string") {
      throw new CheckpointError("header", `${file}: __metadata__.${key} must be a string`);
    }
    metadata.set(key, value);
  }
}

function readEntry(name: string, entry: unknown, base: number, dataSize: number, file: string): TensorInfo {
  const where = `${file}: tensor "${name}"`;
  if (!isJsonObject(entry)) {
    throw new CheckpointError("header", `${where}: expected an object with dtype, shape and data_offsets`);
  }
  const dtype = own(entry, "dtype");
  if (!isStoredDtype(dtype)) {
    throw new CheckpointError(
      "dtype",
      `${where}: unknown dtype ${JSON.stringify(dtype)}: expected ${dtypes.join(", ")}`,
    );
  }
  const shape = own(entry, "shape");
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw new CheckpointError(
      "shape",
      `${where}: shape must be a list of integers from 0, got ${show(shape)}`,
    );
  }
  const offsets = own(entry, "data_offsets");
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    throw new CheckpointError(
      "offsets",
      `${where}: data_offsets must be [begin, end] with 0 <= begin <= end, got ${show(offsets)}`,
    );
  }
  const [begin, end] = offsets;
  if (end > dataSize) {
    throw new CheckpointError(
      "truncated",
      `${where}: truncated: data_offsets ${show(offsets)} end beyond the ${dataSize} bytes of data`,
    );
  }
  const byteLength = shapeBytes(shape, dtype);
  if (byteLength !== end - begin) {
    throw new CheckpointError(
      "shape",
      `${where}: shape ${show(shape)} of ${dtype} needs ${byteLength ?? "more than 2^53"} bytes, ` +
        `data_offsets give ${end - begin}`,
    );
  }
  return { dtype, shape, offset: base + begin, byteLength };
}

/** Bytes of a tensor, or `undefined` when the product is not a safe integer; not whole when it ends within a byte. */
function shapeBytes(shape: readonly number[], dtype: StoredDtype): number | undefined {
  let bytes = bitsPerElement(dtype) / 8;
  for (const size of shape) {
    bytes *= size;
    if (!(bytes <= Number.MAX_SAFE_INTEGER)) return undefined;
  }
  return bytes;
}

/** The format demands that tensors tile the data: no hole, no overlap, nothing after the last. */
function checkCoverage(tensors: Map<string, TensorInfo>, base: number, dataSize: number, file: string): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  let next = base;
  for (const [name, { offset, byteLength }] of inOrder) {
    if (offset !== next) {
      const what = offset < next ? "overlaps the tensor before it" : "leaves a hole before it";
      throw new CheckpointError(
        "offsets",
        `${file}: tensor "${name}" ${what}: data_offsets begin at ${offset - base}, expected ${next - base}`,
      );
    }
    next = offset + byteLength;
  }
  if (next !== base + dataSize) {
    throw new CheckpointError(
      "offsets",
      `${file}: ${base + dataSize - next} bytes after the last tensor: data_offsets cover ${
        next - base
      } of ` +
        `${dataSize} bytes of data`,
    );
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
