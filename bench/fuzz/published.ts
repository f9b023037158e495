/** Checkpoints that others have quantized, each as one input: a safetensors file whose metadata holds the `quantization_config`. */
import { fixture } from "../../base/fixture.ts";
import { isJsonObject, parseJson, writeNumbers } from "../../base/json.ts";
import { withConfig } from "../../model/checkpoint/checkpoint.ts";
import { ModelConfig } from "../../model/checkpoint/config.ts";
import { openWeights } from "../../model/checkpoint/weights.ts";
import { CheckpointError } from "../../model/files/error.ts";
import { encodeSafetensors, readSafetensors } from "../../model/safetensors.ts";
import { importCheckpoint } from "../../quant/formats/import.ts";

const key = "quantization_config";

/** One linear layer of each format and of many of their settings, as their makers' packages packed it. */
export async function publishedSeeds(): Promise<Uint8Array[]> {
  const folder = await fixture("foreign"), seeds: Uint8Array[] = [];
  for (const name of ["weights", "settings"]) {
    const tensors = await readSafetensors(`${folder}/${name}.safetensors`);
    const json = JSON.parse(await Deno.readTextFile(`${folder}/${name}.json`));
    const cases: Record<string, { quantization_config: unknown; metadata?: Record<string, string> }> =
      json.checkpoints ?? json;
    for (const [label, { quantization_config, metadata = {} }] of Object.entries(cases)) {
      const own = [...tensors].filter(([tensor]) => tensor.startsWith(`${label}|`));
      const parts = new Map(own.map(([tensor, value]) => [tensor.slice(label.length + 1), value]));
      const texts = new Map([...Object.entries(metadata), [key, writeNumbers(quantization_config)]]);
      const pieces = encodeSafetensors(parts, texts);
      seeds.push(new Uint8Array(await new Blob(pieces).arrayBuffer()));
    }
  }
  return seeds;
}

/** Reads an input as `loadModel` reads a directory: finds the format, then every weight, at once and as a streaming model does. */
export async function readPublished(bytes: Uint8Array<ArrayBuffer>, mostElements: number): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".safetensors" });
  try {
    await Deno.writeFile(path, bytes);
    const weights = await openWeights(path);
    const settings = settingsOf(weights.metadata?.get(key));
    const config = new ModelConfig("input", settings === null ? {} : { [key]: settings });
    for (const streaming of [false, true]) {
      const { checkpoint } = await importCheckpoint(withConfig(weights, config, "input"), streaming);
      for (const name of checkpoint.names()) {
        const elements = checkpoint.shape(name).reduce((product, size) => product * size, 1);
        if (elements <= mostElements) await checkpoint.tensor(name);
      }
    }
  } finally {
    await Deno.remove(path);
  }
}

/** Settings as `config.json` has them: what is no JSON there has been refused before. */
function settingsOf(text = "null"): object | null {
  try {
    const value = parseJson(text);
    return isJsonObject(value) ? value : null;
  } catch (error) {
    throw new CheckpointError("config", `input: ${(error as Error).message}`, { cause: error });
  }
}
