/** Which files of a repository are wanted, by the names of those that it has. */
import { isJsonObject, own, parseJson } from "../../base/json.ts";
import { HubError } from "./error.ts";

/** The paths that are wanted; `read` gives the text of a file. */
export type Wanted = (
  names: ReadonlySet<string>,
  read: (path: string) => Promise<string>,
) => Promise<readonly string[]>;

/** What a model may have beside `config.json` and its weights. */
export const optionalFiles: readonly string[] = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "tokenizer.model",
  "chat_template.jinja",
];
/** Forms of tokenizers that messages tell of where no other is there. */
const otherTokenizers = /^(?:vocab\.txt|tekken\.json|(?:tiktoken|spiece|sentencepiece\.bpe)\.model)$/;
const indexFile = "model.safetensors.index.json";

/** What a model needs: a file of weights, or an index and the files that it names. */
export const modelFiles = (name: string): Wanted => async (names, read) => {
  const others = ["config.json", ...optionalFiles].filter((path) => names.has(path));
  others.push(...[...names].filter((path) => /^additional_chat_templates\/[^/]+\.jinja$/.test(path)));
  if (!names.has("tokenizer.json")) others.push(...[...names].filter((path) => otherTokenizers.test(path)));
  if (names.has("model.safetensors")) return [...others, "model.safetensors"];
  if (names.has(indexFile)) return [...others, indexFile, ...shardsOf(name, await read(indexFile))];
  const weights = [...names].filter((path) => /\.(safetensors|bin|pt|pth|gguf|h5|msgpack|onnx)$/.test(path));
  const found = weights.length > 0 ? `, only ${weights.slice(0, 5).join(", ")}` : "";
  throw new HubError(
    "missing",
    `${name} has no safetensors weights (model.safetensors or ${indexFile})${found}`,
  );
};

/** The Parquet files of a folder, in their order. */
export function datasetFiles(name: string, folder: string): Wanted {
  return (names) => {
    const paths = [...names].filter((path) =>
      path.startsWith(`${folder}/`) && /^[^/]+\.parquet$/.test(path.slice(folder.length + 1))
    ).sort();
    if (paths.length > 0) return Promise.resolve(paths);
    return Promise.reject(new HubError("missing", `${name} has no Parquet files ${folder}`));
  };
}

/** The files that an index names. */
function shardsOf(name: string, text: string): string[] {
  let map: unknown;
  try {
    const index = parseJson(text);
    map = isJsonObject(index) ? own(index, "weight_map") : undefined;
  } catch {
    map = undefined;
  }
  const shards = isJsonObject(map) ? [...new Set(Object.values(map))] : [];
  const plain = (shard: unknown): shard is string => typeof shard === "string" && /^[^/\\]+$/.test(shard);
  if (shards.length > 0 && shards.every(plain)) return shards.sort();
  throw new HubError(
    "answer",
    `${name}: ${indexFile} names no files: expected weight_map from tensors to files`,
  );
}
