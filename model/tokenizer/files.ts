/** The files of a tokenizer: which there are, and the engine that they describe. */
import { exists, isMissing, readBytes } from "../../base/file.ts";
import { decodeUtf8, isJsonObject, type JsonObject, own, parseJson } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import type { Companions, OpenEngine } from "./companions.ts";
import { TokenizerError } from "./error.ts";
import { byteLevelFiles } from "./byte_level_files.ts";
import { Pipeline } from "./pipeline.ts";
import { SentencePiece } from "./sentencepiece.ts";
import { readPieces } from "./sentencepiece/pieces.ts";

/** Forms that are not read, and what turns them into one that is. */
const otherForms = ["vocab.txt", "tekken.json", "tiktoken.model", "spiece.model", "sentencepiece.bpe.model"];

/**
 * Opens the engine of a folder, or of one of its files.
 *
 * @throws {TokenizerError} `missing` where there is none, naming what there is instead
 */
export async function openEngine(
  folder: string,
  file: string | undefined,
  companions: Companions,
  notices: string[],
): Promise<OpenEngine> {
  const names = file === undefined ? ["tokenizer.json", "tokenizer.model"] : [file.slice(folder.length)];
  for (const name of names) {
    const path = folder + name;
    if (name.endsWith(".json")) {
      const json = await readJson(path);
      if (json) return { engine: new Pipeline(json, path, notices), isWhole: true, names: {} };
    } else if (await exists(path)) {
      const engine = new SentencePiece(readPieces(await readBytes(path), path), path);
      return { engine, isWhole: false, names: engine.names };
    }
  }
  if (file !== undefined) throw new TokenizerError("missing", `${file}: no such file`);
  const vocabulary = await readJson(`${folder}vocab.json`), merges = await readText(`${folder}merges.txt`);
  if (vocabulary && merges !== undefined) {
    const model = own(await readJson(`${folder}config.json`) ?? {}, "model_type");
    const { json, ...rest } = byteLevelFiles(folder, vocabulary, merges, companions.config, model);
    return { engine: new Pipeline(json, `${folder}vocab.json`, notices), isWhole: false, ...rest };
  }
  const expected = "expected tokenizer.json, tokenizer.model, or vocab.json with merges.txt";
  for (const name of ["vocab.json", "merges.txt", ...otherForms]) {
    if (!await exists(folder + name)) continue;
    const help =
      "AutoTokenizer.from_pretrained(...).save_pretrained(...) of Python's transformers writes tokenizer.json";
    throw new TokenizerError("missing", `${folder}: there is ${show(name)}: ${expected}; ${help}`);
  }
  throw new TokenizerError("missing", `${folder}tokenizer.json: no such file: ${expected}`);
}

/** A JSON object from a file; undefined where there is none. */
export async function readJson(file: string): Promise<JsonObject | undefined> {
  try {
    const json = parseJson(decodeUtf8(await readBytes(file)));
    if (!isJsonObject(json)) throw new SyntaxError("not valid JSON for a tokenizer: expected an object");
    return json;
  } catch (error) {
    if (isMissing(error)) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    const code = error instanceof SyntaxError ? "json" : "missing";
    throw new TokenizerError(code, `${file}: ${reason}`, { cause: error });
  }
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return decodeUtf8(await readBytes(file));
  } catch (error) {
    if (isMissing(error)) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new TokenizerError(error instanceof SyntaxError ? "format" : "missing", `${file}: ${reason}`, {
      cause: error,
    });
  }
}
