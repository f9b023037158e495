/** Writes a model as files that other runtimes load, with a card that says what it is and what was measured. */
import { makeDirectory, namesIn, readBytes, readText, writeAtomic } from "../../base/file.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../base/json.ts";
import { type Model, requireModel } from "../../model/model.ts";
import { encodeSafetensors, type RawTensor } from "../../model/safetensors.ts";
import { compressedTensors } from "./compressed_tensors.ts";
import { encodeModelGguf } from "./gguf.ts";
import { requireHalf } from "./half.ts";
import { gptqTensors } from "./gptq.ts";
import { marlinTensors } from "./marlin.ts";
import { encodeOnnx } from "./onnx.ts";
import {
  type Measured,
  measuredLine,
  type Recipe,
  recipeKey,
  recipeLines,
  recipeOf,
  recipeText,
} from "./recipe.ts";
import { splitTensors } from "./tensors.ts";
import { weightStorage } from "../weights/linear.ts";
import { sizes } from "../weights/sizes.ts";
import { SchemeError } from "../error.ts";
import { oneOf, requireKnown } from "../options.ts";

/** What {@linkcode exportModel} can write. */
export const exportFormats = ["gptq", "marlin", "compressed-tensors", "gguf", "onnx"] as const;

/**
 * A format: `gptq`, `compressed-tensors` and `marlin` (GPTQ's codes in the order of MARLIN's kernel) for vLLM, `gguf` for llama.cpp, `onnx`
 * for ONNX Runtime and transformers.js.
 */
export type ExportFormat = typeof exportFormats[number];

/** How {@linkcode exportModel} writes. */
export interface ExportOptions {
  /** The format. */
  readonly format: ExportFormat;
  /** Measured values for the model card, by name; with what they lie in. */
  readonly metrics?: Readonly<Record<string, number | Measured>>;
  /** The scheme as a short text (`writeScheme`). */
  readonly scheme?: string;
  /** The receipt of the measured values: its hash, or where it lies. */
  readonly receipt?: string;
}

/** Files beside a checkpoint that runtimes need as they are. */
const companions = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "generation_config.json",
  "chat_template.jinja",
];

/**
 * Writes a model to a directory: weights, configuration, tokenizer and a model card (`README.md`).
 *
 * Codes stay as they are. GPTQ, MARLIN, compressed-tensors and GGUF store scales of integers in float16, to which they are rounded; ONNX keeps
 * them in float32. What float16 cannot hold (infinity, or bits lost below 6.1e-5) is refused by the name of the tensor. FP8, MXFP8,
 * MXFP6, MXFP4 and NVFP4 weights keep their scales as they are in compressed-tensors, MXFP4 and NVFP4 in GGUF too.
 *
 * The card and the metadata of the file with the weights carry the recipe: source, scheme, calibration by their hashes, what was done, what
 * was measured (`recipeIn` reads it).
 *
 * A GGUF file is read back and compared with the model before it gets its name.
 *
 * @returns the path of the file with the weights
 * @throws {SchemeError} when the format cannot say what the model computes
 *
 * @example
 * ```ts
 * import { exportModel, loadModel, quantize, rtn } from "quantbook";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * using quantized = await quantize(model, { weights: rtn({ bits: 4, groupSize: 32 }) });
 * const directory = await Deno.makeTempDir();
 * const file = await exportModel(quantized, directory, { format: "gguf" });
 * using again = await loadModel(file);
 * assert(again.architecture.layers === 4);
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function exportModel(model: Model, directory: string, options: ExportOptions): Promise<string> {
  requireModel(model);
  requireKnown("exportModel", options, ["format", "metrics", "scheme", "receipt"]);
  const { format, metrics = {}, ...notes } = options;
  oneOf(exportFormats).read("format", format);
  const source = model.checkpoint.directory;
  const measured = Object.entries(metrics).map(([name, one]) => [
    name,
    typeof one === "number" ? { value: one } : one,
  ]);
  const recipe = await recipeOf(model, { ...notes, measured: Object.fromEntries(measured) });
  const { file, pieces, config, verify } = await encode(model, format, source, recipeText(recipe));
  await makeDirectory(file.includes("/") ? `${directory}/onnx` : directory);
  const path = `${directory}/${file}`;
  await writeAtomic(path, pieces, verify);
  if (config !== undefined) await writeText(`${directory}/config.json`, JSON.stringify(config, null, 2));
  if (format !== "gguf") {
    for (const name of companions) {
      const bytes = await readBytes(`${source}/${name}`).catch(() => undefined);
      if (bytes !== undefined) await writeAtomic(`${directory}/${name}`, [bytes]);
    }
    await copyFolder(source, directory, "additional_chat_templates");
  }
  await writeText(`${directory}/README.md`, modelCard(model, format, recipe));
  return path;
}

/** Copies the files of a folder, if there is one. */
async function copyFolder(source: string, directory: string, folder: string): Promise<void> {
  const names = await namesIn(`${source}/${folder}`).catch(() => []);
  if (names.length > 0) await makeDirectory(`${directory}/${folder}`);
  for (const name of names) {
    await writeAtomic(`${directory}/${folder}/${name}`, [await readBytes(`${source}/${folder}/${name}`)]);
  }
}

/** What is to be written. */
interface Written {
  readonly file: string;
  readonly pieces: Uint8Array[];
  readonly config?: JsonObject;
  /** Reads the file back. */
  readonly verify?: (path: string) => Promise<void>;
}

async function encode(
  model: Model,
  format: ExportFormat,
  source: string,
  recipe: string,
): Promise<Written> {
  // How the source was quantized says nothing of what is written.
  const { quantization_config: _, ...values } = model.checkpoint.config.values;
  if (format === "gguf") {
    const text = await readText(`${source}/tokenizer.json`).catch(() => undefined);
    const tokenizer = text === undefined ? undefined : parseJson(text);
    return {
      file: "model.gguf",
      ...await encodeModelGguf(model, isJsonObject(tokenizer) ? tokenizer : undefined, recipe),
    };
  }
  if (format === "onnx") {
    const settings = { dtype: "fp32", use_external_data_format: false };
    return {
      file: "onnx/model.onnx",
      pieces: [await encodeOnnx(model, recipe)],
      config: { ...values, "transformers.js_config": settings },
    };
  }
  const { quantized, floats, plain, dense } = await splitTensors(model);
  if (format !== "compressed-tensors" && floats.length > 0) {
    throw new SchemeError(
      "method",
      `${format}: ${floats[0].name} has no integers: expected format "compressed-tensors" or "gguf"`,
    );
  }
  const layers = format === "compressed-tensors"
    ? compressedTensors(quantized, floats, dense)
    : (format === "marlin" ? marlinTensors : gptqTensors)(quantized, dense);
  const tensors = new Map<string, RawTensor>(layers.tensors);
  const ends = [model.architecture.embedding, model.architecture.head];
  for (const [name, { shape, values: data }] of plain) {
    // A row of a linear layer may be undone by the next layer; rows of padding in the embedding are small and unused.
    const width = shape.length === 2 && !ends.includes(name) ? shape[1] : data.length;
    tensors.set(name, { dtype: "F16", shape, data: requireHalf(format, name, data, width) });
  }
  return {
    file: "model.safetensors",
    pieces: encodeSafetensors(tensors, new Map([["format", "pt"], [recipeKey, recipe]])),
    // A rotation unties the output projection.
    config: {
      ...values,
      ...model.architecture.head === model.architecture.embedding ? {} : { tie_word_embeddings: false },
      torch_dtype: "float16",
      quantization_config: layers.config,
    },
  };
}

async function writeText(path: string, text: string): Promise<void> {
  await writeAtomic(path, [new TextEncoder().encode(text)]);
}

/** What the files are, how they were made and what was measured. */
function modelCard(model: Model, format: ExportFormat, recipe: Recipe): string {
  const { bitsPerWeight, bytes } = weightStorage(model), { model: whole } = sizes(model);
  const rows = {
    "bits per weight of linear layers": bitsPerWeight,
    "bits per weight of the whole model": whole.bitsPerWeight,
    "bytes of linear layers": bytes,
    "bytes of the whole model": whole.bytes,
  };
  const stored = Object.entries(rows).map(([name, value]) => [name, { value }] as const);
  return [
    `# ${model.name}, ${format}`,
    "",
    `Quantized and exported by quantbook. The file with the weights carries this as \`${recipeKey}\` in its metadata.`,
    "",
    ...recipeLines(recipe),
    "",
    "| measured | value | interval |",
    "| --- | --- | --- |",
    ...[...stored, ...Object.entries(recipe.measured)].map(([name, one]) => measuredLine(name, one)),
    "",
  ].join("\n");
}
