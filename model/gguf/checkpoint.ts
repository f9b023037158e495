/** A GGUF file as a checkpoint: its metadata as a configuration, its tensors under the names of safetensors. */
import { directoryOf } from "../../base/file.ts";
import { CheckpointError } from "../files/error.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { ModelConfig } from "../checkpoint/config.ts";
import { checkConfig } from "../checkpoint/read_config.ts";
import { requireFinite, type TensorStorage } from "../checkpoint/weights.ts";
import { sha256File } from "../files/read.ts";
import { sha256Text } from "../../base/hash.ts";
import { show } from "../../base/show.ts";
import type { GgufFile } from "./file.ts";
import { ggufFamilies, type GgufFamily, type GgufSizes } from "./families.ts";
import { Metadata } from "./metadata.ts";
import { ggufName, type View, viewsOf } from "./names.ts";
import { ropeTensors, ropeValues } from "./rope.ts";
import { multiplyScales, type TensorScales, tensorScales } from "./scales.ts";

/**
 * A GGUF file as a checkpoint.
 *
 * @throws {CheckpointError} `config` naming the metadata key
 */
export async function ggufCheckpoint(file: GgufFile): Promise<Checkpoint> {
  const metadata = new Metadata(file);
  const family = familyOf(file);
  const sizes = sizesOf(file, metadata);
  const config = checkConfig(
    new ModelConfig(file.path, await configValues(file, metadata, family, sizes)),
  );
  const scales = tensorScales(file.tensors, file.path);
  const notices = [...metadata.notices(), ...scales.notices];
  const others = [...file.tensors].filter(([name]) =>
    !scales.known.has(name) && (family.rotary === false || !ropeTensors.includes(name))
  );
  const views = viewsOf(new Map(others), family, sizes);
  const view = (name: string): View => {
    const found = views.get(name);
    if (found !== undefined) return found;
    throw new CheckpointError(
      "tensor",
      `${file.path}: no tensor "${ggufName(name, family)}" among its ${file.tensors.size}`,
    );
  };
  const isTransposed = (name: string) =>
    family.transposed?.some((part) => name.endsWith(`.${part}.weight`)) ?? false;
  const shape = (name: string) => isTransposed(name) ? view(name).shape.toReversed() : view(name).shape;
  const typeOf = (name: string) => file.tensors.get(view(name).rows[0].tensor)?.type.name ?? "F32";
  const tensor = async (name: string) => {
    const values = await readView(file, view(name), scales);
    if (isTransposed(name)) return transpose(values, view(name).shape[0] ?? 1);
    return family.normsPlusOne && /norm\.weight$/.test(name) ? values.map((value) => value - 1) : values;
  };
  let hash: Promise<string> | undefined;
  return {
    notices,
    config,
    directory: directoryOf(file.path),
    names: () => [...views.keys()],
    has: (name) => views.has(name),
    shape,
    // Quantized values are float32 as far as anybody else is concerned.
    dtype: (name) => {
      const type = typeOf(name);
      return type === "F16" || type === "BF16" ? type : "F32";
    },
    byteLength: file.byteLength,
    storage: (name) => storageOf(file, view(name), scales),
    requireShape(name, expected) {
      const found = shape(name);
      if (found.length === expected.length && found.every((size, axis) => size === expected[axis])) return;
      const stored = view(name).rows.map((one) => `"${one.tensor}"`).join(" with ");
      throw new CheckpointError(
        "shape",
        `${file.path}: tensor ${stored} has shape [${found}], the metadata needs [${expected}]`,
      );
    },
    tensor,
    async tensorRows(name, start, count) {
      const { rows, order } = view(name);
      if (rows.length === 1 && order === undefined && !isTransposed(name) && !family.normsPlusOne) {
        const own = { ...view(name), rows: [{ ...rows[0], start: rows[0].start + start, count }] };
        return await readView(file, own, scales);
      }
      const all = await tensor(name), width = all.length / (shape(name)[0] ?? 1);
      return all.slice(start * width, (start + count) * width);
    },
    blocks: (name) => views.has(name) && !isTransposed(name) ? blocksOf(file, view(name), scales) : undefined,
    sha256: () => hash ??= hashOf(file.paths),
  };
}

/** What a view's rows take of their tensors, with the scales beside these; of several types their names. */
function storageOf(file: GgufFile, { rows }: View, { scales }: TensorScales): TensorStorage {
  const formats = new Set<string>();
  let bytes = 0;
  for (const { tensor, count } of rows) {
    const stored = file.tensors.get(tensor), scale = scales.get(tensor);
    if (stored === undefined) continue;
    const share = count / (stored.shape[0] ?? 1);
    formats.add(stored.type.name);
    bytes += share * stored.byteLength + (scale === undefined ? 0 : 4 * share * scale.count);
  }
  return { format: [...formats].join(", "), bytes };
}

/** How a view's blocks are read, where those of all its rows are alike. */
function blocksOf(
  file: GgufFile,
  { rows, order, shape }: View,
  { scales }: TensorScales,
): ReturnType<NonNullable<Checkpoint["blocks"]>> {
  const [{ tensor, start, count }] = rows, type = file.tensors.get(tensor)?.type.name;
  if (rows.length > 1 || shape.length !== 2 || type === undefined || scales.has(tensor)) return undefined;
  const read = async () => {
    const bytes = await file.blocks?.(tensor, start, count) ?? new Uint8Array();
    if (order === undefined) return bytes;
    const turned = new Uint8Array(bytes.length), height = shape[0], width = bytes.length / height;
    for (let row = 0; row < height; row++) {
      const from = order(row) * width;
      turned.set(bytes.subarray(from, from + width), row * width);
    }
    return turned;
  };
  return file.blocks && { type, read };
}

/** Values of a view, row-major. */
async function readView(
  file: GgufFile,
  { rows, order }: View,
  { scales }: TensorScales,
): Promise<Float32Array<ArrayBuffer>> {
  const parts: Float32Array<ArrayBuffer>[] = [];
  for (const { tensor, start, count } of rows) {
    const values = await file.read(tensor, start, count), scale = scales.get(tensor)?.tensor;
    if (scale !== undefined) multiplyScales(values, await file.read(scale), start, count);
    parts.push(requireFinite(values, `${file.path}: tensor "${tensor}"`));
  }
  const [first] = parts;
  const joined = parts.length === 1
    ? first
    : new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  if (parts.length > 1) {
    let at = 0;
    for (const part of parts) {
      joined.set(part, at);
      at += part.length;
    }
  }
  if (order === undefined) return joined;
  const count = rows.reduce((sum, one) => sum + one.count, 0), width = joined.length / count;
  const turned = new Float32Array(joined.length);
  for (let row = 0; row < count; row++) {
    const from = order(row) * width;
    turned.set(joined.subarray(from, from + width), row * width);
  }
  return turned;
}

/** A file's hash; of a set the hash of its parts' hashes. */
async function hashOf(paths: readonly string[]): Promise<string> {
  const hashes: string[] = [];
  for (const path of paths) hashes.push(await sha256File(path));
  return hashes.length === 1 ? hashes[0] : sha256Text(hashes.join("\n"));
}

/** The matrix `[rows, columns]`, by columns. */
function transpose(values: Float32Array<ArrayBuffer>, rows: number): Float32Array<ArrayBuffer> {
  const turned = new Float32Array(values.length), columns = values.length / rows;
  for (let i = 0; i < values.length; i++) turned[(i % columns) * rows + Math.floor(i / columns)] = values[i];
  return turned;
}

function familyOf(file: GgufFile): GgufFamily {
  const kind = file.metadata.get("general.type") ?? "model", name = file.metadata.get("general.architecture");
  const fail = (key: string, value: unknown, expected: string): never => {
    const got = value === undefined ? "it is missing" : `got ${show(value)}`;
    throw new CheckpointError("config", `${file.path}: ${key} must be ${expected}, ${got}`);
  };
  if (kind !== "model") fail("general.type", kind, `"model"`);
  if (typeof name === "string" && Object.hasOwn(ggufFamilies, name)) {
    const family = ggufFamilies[name], { second } = family;
    if (second === undefined || !file.tensors.has(`blk.0.${second.tensor}.weight`)) return family;
    return { ...family, parts: { ...family.parts, ...second.parts } };
  }
  const known = Object.keys(ggufFamilies).map((one) => `"${one}"`).join(" or ");
  return fail("general.architecture", name, known);
}

function sizesOf({ tensors }: GgufFile, metadata: Metadata): GgufSizes {
  const heads = metadata.integer("attention.head_count", 2 ** 16);
  const kvHeads = metadata.integer("attention.head_count_kv", heads, heads);
  if (heads % kvHeads !== 0) metadata.fail("attention.head_count_kv", `a divisor of the ${heads} heads`);
  const hidden = metadata.integer("embedding_length", 2 ** 20);
  if (!metadata.has("attention.key_length") && hidden % heads !== 0) {
    metadata.fail("embedding_length", `divisible by the ${heads} heads`);
  }
  const headDim = metadata.integer("attention.key_length", 2 ** 16, hidden / heads);
  for (const name of ["attention.value_length", "attention.key_length_swa", "attention.value_length_swa"]) {
    if (metadata.integer(name, 2 ** 16, headDim) !== headDim) {
      metadata.fail(name, `${headDim}, as attention.key_length`);
    }
  }
  const layers = metadata.integer("block_count", 10_000);
  const intermediate = metadata.integer("feed_forward_length", 2 ** 24);
  return { heads, kvHeads, hidden, headDim, layers, intermediate, holds: (name) => tensors.has(name) };
}

/** The metadata as a config.json would have it. */
async function configValues(
  file: GgufFile,
  metadata: Metadata,
  family: GgufFamily,
  sizes: GgufSizes,
): Promise<Record<string, unknown>> {
  const { heads, kvHeads, hidden, headDim, layers, intermediate, holds } = sizes;
  const { epsilon = "rms_norm_eps", keys = {}, rotary = true } = family;
  const kind = family.epsilon === undefined ? "rms_" : "";
  const positions = metadata.integer("context_length", 2 ** 53);
  // Files of models without rotation may say how they would rotate.
  if (!rotary) { for (const name of ["rope.dimension_count", "rope.freq_base"]) metadata.value(name); }
  const values = {
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: headDim,
    max_position_embeddings: positions,
    [epsilon]: metadata.number(`attention.layer_norm_${kind}epsilon`, 0, 1),
    ...(rotary ? await ropeValues(file, metadata, headDim, positions) : {}),
    tie_word_embeddings: !holds("output.weight"),
    model_type: family.type,
    ...family.extra?.(metadata, sizes),
  };
  const { model_type: type } = values;
  if (family.interleaved && Reflect.get(values, "partial_rotary_factor") !== 1) {
    metadata.fail("rope.dimension_count", `${headDim}, the dimensions of a head`);
  }
  const embedding = file.tensors.get("token_embd.weight");
  if (embedding === undefined) {
    const size = file.tensors.size;
    const held = size === 0 ? "the file has none, only a vocabulary" : `the file has ${size} others`;
    throw new CheckpointError("tensor", `${file.path}: no tensor "token_embd.weight": ${held}`);
  }
  const named = Object.entries({ vocab_size: embedding.shape[0], ...values }).map((
    [key, value],
  ) => [keys[key] ?? key, value]);
  return { ...Object.fromEntries(named), model_type: type };
}
