/** Opens models by specifier: a fixture, a directory or a file. */
import { defaultDevice } from "../kernels/default.ts";
import type { Device } from "../kernels/device.ts";
import { type Checkpoint, openCheckpoint, withBasePrefix } from "./checkpoint.ts";
import { architectureOf } from "./families.ts";
import { Model } from "./model.ts";
import { ModelError } from "./model_error.ts";
import { readOutliers, withOutliers } from "./outliers.ts";
import { absentTokenizer, loadTokenizer } from "./tokenizer.ts";
import { TokenizerError } from "./tokenizer_error.ts";

/** The models that come with the suite. */
export const fixtureModels = ["llama", "llama-outlier", "opt", "opt-outlier"] as const;

/** What {@linkcode loadModel} accepts beside the specifier. */
export interface LoadOptions {
  /** Where the model runs (default: the process's device, see `QUANTBOOK_DEVICE`). */
  readonly device?: Device;
  /** Keep one layer's weights at a time on the device: slower, but an 8B model fits. */
  readonly streaming?: boolean;
}

/**
 * Loads a model: `fixture:llama`, `fixture:llama-outlier`, `fixture:opt`, `fixture:opt-outlier`, a checkpoint
 * directory, or a `.safetensors` file with `config.json` and `tokenizer.json` beside it. A model without a tokenizer
 * takes token ids only.
 *
 * @throws {CheckpointError} when the files are missing or wrong, {ModelError} when the family is unknown.
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
export async function loadModel(specifier: string, options: LoadOptions = {}): Promise<Model> {
  const { checkpoint: opened, tokenizerDirectory } = await openSpecifier(specifier);
  const architecture = architectureOf(opened.config);
  const checkpoint = withBasePrefix(opened, architecture.embedding);
  const tokenizer = await loadTokenizer(tokenizerDirectory).catch((error) => {
    if (!(error instanceof TokenizerError) || error.code !== "missing") throw error;
    return absentTokenizer(error, architecture.vocabularySize);
  });
  const device = options.device ?? await defaultDevice();
  return Model.create({
    name: specifier,
    architecture,
    checkpoint,
    tokenizer,
    device,
    streaming: options.streaming,
  });
}

async function openSpecifier(
  specifier: string,
): Promise<{ checkpoint: Checkpoint; tokenizerDirectory: string }> {
  if (!specifier.startsWith("fixture:")) {
    const checkpoint = await openCheckpoint(specifier);
    return { checkpoint, tokenizerDirectory: checkpoint.directory };
  }
  const name = specifier.slice("fixture:".length);
  if (!fixtureModels.some((one) => one === name)) {
    throw new ModelError(
      "family",
      `specifier is ${specifier}: expected fixture: and one of ${fixtureModels.join(", ")}`,
    );
  }
  const root = new URL("../fixtures/models/", import.meta.url).pathname;
  const directory = root + name.replace("-outlier", "");
  const checkpoint = await openCheckpoint(directory);
  if (!name.endsWith("-outlier")) return { checkpoint, tokenizerDirectory: directory };
  const moves = await readOutliers(`${root}${name}/outliers.json`);
  return { checkpoint: withOutliers(checkpoint, moves), tokenizerDirectory: directory };
}
