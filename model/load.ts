/** Opens models by specifier: a fixture, a directory or a file. */
import { nearest } from "../base/nearest.ts";
import { exists } from "../base/file.ts";
import { fixture } from "../base/fixture.ts";
import { defaultDevice } from "../kernels/default.ts";
import type { Device } from "../kernels/device.ts";
import { tensorName } from "./architecture.ts";
import { type Checkpoint, openCheckpoint } from "./checkpoint/checkpoint.ts";
import { withSeparateExperts } from "./checkpoint/experts.ts";
import { readGeneration } from "./checkpoint/generation.ts";
import { storedHead, withTiedNames, withWholeNames } from "./checkpoint/layout.ts";
import { watched } from "./checkpoint/watched.ts";
import { architectureOf } from "./families.ts";
import { CheckpointError } from "./files/error.ts";
import { type GgufFile, isGguf, openGguf } from "./gguf/file.ts";
import { ggufCheckpoint } from "./gguf/checkpoint.ts";
import { ggufTokenizer } from "./gguf/tokenizer.ts";
import { hubDirectory, type HubOptions, isHubName } from "./hub.ts";
import { Model } from "./model.ts";
import { ModelError } from "./error.ts";
import { readOutliers, withOutliers } from "./checkpoint/outliers.ts";
import { absentTokenizer, loadTokenizer, type Tokenizer } from "./tokenizer/tokenizer.ts";
import { TokenizerError } from "./tokenizer/error.ts";

/** The models that come with the suite. */
export const fixtureModels = [
  "llama",
  "llama-outlier",
  "opt",
  "opt-outlier",
  "mamba",
  "mamba-outlier",
] as const;

/** What {@linkcode loadModel} accepts beside the specifier. */
export interface LoadOptions extends HubOptions {
  /** Where the model runs (default: the process's device, see `QUANTBOOK_DEVICE`). */
  readonly device?: Device;
  /** Whether a notice (`model.notices`) is an error. */
  readonly strict?: boolean;
  /** Keep one layer's weights at a time on the device: slower, but an 8B model fits. */
  readonly streaming?: boolean;
  /**
   * Inputs of linear layers, and keys and values, where a file rounds them as it runs: as published (`"quantized"`, the default), or left in
   * full precision (`"float"`).
   */
  readonly activations?: "quantized" | "float";
}

/**
 * Gives a checkpoint that others have quantized as one of floats, under the names that its architecture has; any other as it is. Formats
 * are a higher floor's: `quant/published` hands this in.
 */
export type QuantizedReader = (checkpoint: Checkpoint) => Promise<Checkpoint>;

/** Quantized weights are not passed over. */
function refuseQuantized(checkpoint: Checkpoint): Promise<Checkpoint> {
  const { config } = checkpoint;
  if (!config.has("quantization_config")) return Promise.resolve(checkpoint);
  return config.fail("quantization_config", "absent here: loadModel of quantbook reads quantized weights");
}

/**
 * Loads a model: `fixture:llama`, `fixture:llama-outlier`, `fixture:opt`, `fixture:opt-outlier`, `fixture:mamba`, `fixture:mamba-outlier`, a
 * checkpoint directory, a `.safetensors` file with `config.json` and `tokenizer.json` beside it, a GGUF file (`.gguf`, or any name; of a split model any of its parts), or a name on the Hugging Face hub (`facebook/opt-125m`) that is downloaded to the hub's cache. A model without a tokenizer
 * takes token ids only. Weights that others have quantized are read by `readQuantized`; without it they are refused.
 *
 * @throws {CheckpointError} when the files are missing or wrong, {ModelError} when the family is unknown,
 * {HubError} when the hub does not give the files.
 *
 * @example
 * ```ts
 * import { loadModel } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * const ids = model.tokenizer.encode("The pass key is");
 * const logits = await model.logits(ids);
 * assertEquals(logits.length, ids.length * model.architecture.vocabularySize);
 * ```
 */
export async function loadModel(
  specifier: string,
  options: LoadOptions = {},
  readQuantized: QuantizedReader = refuseQuantized,
): Promise<Model> {
  const { checkpoint: stored, tokenizer: open, whole } = await openSpecifier(specifier, options);
  const opened = await readQuantized(stored);
  const { architecture, checkpoint: named } = await described(opened);
  const { checkpoint, unused } = watched(named);
  const tokenizer = typeof open === "function" ? open(architecture.vocabularySize) : open;
  const device = options.device ?? await defaultDevice();
  const model = Model.create({
    name: specifier,
    architecture,
    checkpoint,
    tokenizer,
    device,
    streaming: options.streaming,
  });
  if (whole) requireNone(specifier, unused(), model);
  const { notices } = model;
  if (!options.strict || notices.length === 0) return model;
  model[Symbol.dispose]();
  throw new CheckpointError("notice", notices.join("\n"));
}

/** What a checkpoint computes, and its tensors under the names that this goes by. */
async function described(opened: Checkpoint): Promise<Pick<Model, "architecture" | "checkpoint">> {
  const architecture = architectureOf(opened.config), { embedding, head, linears } = architecture;
  const whole = withWholeNames(opened, tensorName(linears.q?.weight ?? embedding, 0));
  const { experts, layers } = architecture;
  const checkpoint = experts === undefined ? whole : withSeparateExperts(whole, experts, layers);
  if (head !== embedding) {
    return { architecture: { ...architecture, head: storedHead(checkpoint, head) }, checkpoint };
  }
  const tied = await withTiedNames(checkpoint, embedding);
  return { architecture: { ...architecture, head: tied.head }, checkpoint: tied.checkpoint };
}

/** A GGUF file holds what its model computes with and nothing else: a tensor that is left over would change the result. */
function requireNone(specifier: string, [name, ...others]: readonly string[], model: Model): void {
  if (name === undefined) return;
  model[Symbol.dispose]();
  const more = others.length === 0 ? "" : ` and ${others.length} others`;
  throw new CheckpointError(
    "tensor",
    `${specifier}: tensor "${name}"${more} is no part of a ${model.architecture.family} model as it is known here`,
  );
}

interface Opened {
  readonly checkpoint: Checkpoint;
  /** Whether every tensor must have a use. */
  readonly whole?: boolean;
  readonly tokenizer: Tokenizer | ((vocabularySize: number) => Tokenizer);
}

/** The tokenizer of a GGUF file; where it is of a kind that cannot be read, one that says so: token ids do without. */
function tokenizerOf(file: GgufFile): Opened["tokenizer"] {
  try {
    return ggufTokenizer(file);
  } catch (error) {
    if (!(error instanceof TokenizerError) || error.code === "format") throw error;
    return (vocabularySize: number) => absentTokenizer(error, vocabularySize);
  }
}

/** A checkpoint with its tokenizer; where there is none that can be used, one that says so when it is. */
async function withTokenizer(checkpoint: Checkpoint): Promise<Opened> {
  const { directory, config } = checkpoint;
  const generation = await readGeneration(directory, config);
  const notices = [...checkpoint.notices, ...generation.notices];
  const ending = (tokenizer: Tokenizer): Tokenizer => {
    const ids = new Set([...generation.endTokens, ...tokenizer.eos === undefined ? [] : [tokenizer.eos]]);
    return Object.assign(tokenizer, { endTokens: [...ids].sort((a, b) => a - b) });
  };
  const tokenizer = await loadTokenizer(directory).then(ending, (error) => {
    if (!(error instanceof TokenizerError)) throw error;
    return (vocabularySize: number) => ending(absentTokenizer(error, vocabularySize));
  });
  return { checkpoint: { ...checkpoint, notices }, tokenizer };
}

async function openSpecifier(specifier: string, options: HubOptions): Promise<Opened> {
  if (specifier.endsWith(".gguf") || await isGguf(specifier)) {
    const file = await openGguf(specifier);
    const tokenizer = tokenizerOf(file);
    return { checkpoint: await ggufCheckpoint(file), tokenizer, whole: true };
  }
  if (isHubName(specifier) && !await exists(specifier)) {
    const notices: string[] = [];
    const onNotice = (notice: string) => {
      notices.push(notice);
      options.onNotice?.(notice);
    };
    const opened = await openCheckpoint(await hubDirectory(specifier, { ...options, onNotice }));
    return await withTokenizer({ ...opened, notices: [...notices, ...opened.notices] });
  }
  if (!specifier.startsWith("fixture:")) {
    return await withTokenizer(await openCheckpoint(specifier));
  }
  const name = specifier.slice("fixture:".length);
  if (!fixtureModels.some((one) => one === name)) {
    // The prefix that all share would make every name near.
    const meant = nearest(name, fixtureModels);
    throw new ModelError(
      "family",
      `specifier is ${specifier}: ${
        meant === undefined
          ? `expected fixture: and one of ${fixtureModels.join(", ")}`
          : `did you mean fixture:${meant}?`
      }`,
    );
  }
  const directory = await fixture(`models/${name.replace("-outlier", "")}`);
  const opened = await withTokenizer(await openCheckpoint(directory));
  if (!name.endsWith("-outlier")) return opened;
  const moves = await readOutliers(`${await fixture(`models/${name}`)}/outliers.json`);
  return { ...opened, checkpoint: withOutliers(opened.checkpoint, moves) };
}
