/** Opens any model that can be read, those that others have quantized included. */
import { loadModel as openModel, type LoadOptions } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { importCheckpoint } from "../formats/import.ts";
import type { RuntimeScheme } from "../formats/source.ts";
import { oneOf } from "../options.ts";
import { asPublished } from "./runtime.ts";

export type { LoadOptions } from "../../model/load.ts";

/**
 * Loads a model: `fixture:llama`, `fixture:llama-outlier`, `fixture:opt`, `fixture:opt-outlier`, `fixture:mamba`, `fixture:mamba-outlier`, a
 * checkpoint directory, a `.safetensors` file with `config.json` and `tokenizer.json` beside it, a GGUF file (`.gguf`, or any name; of a
 * split model any of its parts), or a name on the Hugging Face hub (`facebook/opt-125m`) that is downloaded to the hub's cache. A model
 * without a tokenizer takes token ids only.
 *
 * Checkpoints that others have quantized are read as published (`docs/formats.md` lists the formats): codes stay as they are and are
 * multiplied packed where the device has a kernel for them; inputs of linear layers and caches are rounded as the file says, unless
 * `activations` is `"float"`. `model.scheme` says what was found.
 *
 * @throws {CheckpointError} when the files are missing or wrong, or of a format that is not read, {ModelError} when the family is unknown,
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
 * assertEquals(model.scheme, null);
 * ```
 */
export async function loadModel(specifier: string, options: LoadOptions = {}): Promise<Model> {
  const { activations = "quantized" } = options;
  oneOf(["quantized", "float"]).read("activations", activations);
  let runtime: RuntimeScheme | undefined;
  const model = await openModel(specifier, options, async (checkpoint) => {
    const found = await importCheckpoint(checkpoint, options.streaming);
    runtime = found.runtime;
    return found.checkpoint;
  });
  if (runtime === undefined || activations === "float") return model;
  try {
    return asPublished(model, runtime);
  } finally {
    model[Symbol.dispose]();
  }
}
