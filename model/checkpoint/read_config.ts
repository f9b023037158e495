/** Reads a `config.json` and checks what every decoder's must satisfy, whatever its family. */
import { CheckpointError } from "../checkpoint_error.ts";
import { checkConfig } from "../config_rules.ts";
import { fileError, fileSize } from "../file.ts";
import { displayPath } from "../../base/file.ts";
import { decodeUtf8, isJsonObject, parseJson } from "../json.ts";
import { ModelConfig } from "../config.ts";

/** No real config.json is near this size; a bigger file is something else. */
const maxBytes = 16_000_000;

/**
 * Reads and checks a configuration.
 *
 * @param path a `config.json`, or the directory that holds one
 * @throws {CheckpointError} `missing`, `unreadable`, `truncated`, or `config` with the key, its value and what is accepted
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const config = await readConfig("fixtures/models/llama");
 * assert(config.modelType === "llama" && config.integer("vocab_size") === 2048);
 * ```
 */
export async function readConfig(path: string | URL): Promise<ModelConfig> {
  let text: string;
  let source = displayPath(path);
  try {
    let file: string | URL = path;
    if ((await Deno.stat(path)).isDirectory) {
      file = path instanceof URL ? new URL("config.json", `${path.href}/`) : `${path}/config.json`;
      source = displayPath(file);
    }
    const size = await fileSize(file);
    if (size > maxBytes) {
      throw new CheckpointError("config", `${source}: ${size} bytes is no config.json (limit ${maxBytes})`);
    }
    text = decodeUtf8(await Deno.readFile(file));
  } catch (error) {
    if (error instanceof SyntaxError) throw new CheckpointError("config", `${source}: ${error.message}`);
    throw fileError(error, source);
  }
  return parseConfig(text, source);
}

/**
 * Parses and checks the text of a `config.json`.
 *
 * @throws {CheckpointError} code `config`
 */
export function parseConfig(text: string, source: string): ModelConfig {
  let values: unknown;
  try {
    values = parseJson(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError("config", `${source}: ${reason}`, { cause: error });
  }
  if (!isJsonObject(values)) throw new CheckpointError("config", `${source}: expected a JSON object`);
  const config = new ModelConfig(source, values);
  checkConfig(config);
  return config;
}
