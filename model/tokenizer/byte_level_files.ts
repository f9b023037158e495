/** `vocab.json` and `merges.txt`, the form before `tokenizer.json`, as the `tokenizer.json` that transformers makes of them. */
import { isJsonObject, type JsonObject, own } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import { TokenizerError } from "./error.ts";

/** How a class of tokenizers normalizes and splits. */
interface TokenizerClass {
  readonly normalizer?: string;
  /** Without one GPT-2's pattern is taken. */
  readonly pattern?: string;
  /** It adds special tokens again, without the flags that files give them. */
  readonly readdsPlainly?: boolean;
  /** Model types whose files name no class. */
  readonly models: readonly string[];
}

const classes: Readonly<Record<string, TokenizerClass>> = {
  GPT2Tokenizer: {
    models: ["gpt2", "gpt_neo", "gptj", "codegen", "opt", "phi", "starcoder2", "dbrx", "jais2"],
  },
  GPTNeoXTokenizer: {
    normalizer: "NFC",
    models: ["gpt_neox", "mpt", "olmo", "olmoe", "mamba", "mamba2", "falcon_mamba", "rwkv"],
  },
  Qwen2Tokenizer: {
    normalizer: "NFC",
    pattern:
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" +
      "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    readdsPlainly: true,
    models: ["qwen2", "qwen2_moe", "qwen3", "qwen3_moe"],
  },
};

/** Classes that say nothing. */
const generic = ["PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend"];

/**
 * The `tokenizer.json` that two files stand for, and the names that its class gives to tokens.
 *
 * @param model the `model_type` of the model: it says how texts are split where `tokenizer_class` does not
 * @throws {TokenizerError} `unsupported` for a class that splits in a way that is not known here
 */
export function byteLevelFiles(
  folder: string,
  vocabulary: JsonObject,
  merges: string,
  config: JsonObject,
  model: unknown,
): {
  readonly json: JsonObject;
  readonly names: Readonly<Record<string, string>>;
  readonly readdsPlainly?: boolean;
} {
  const given = own(config, "tokenizer_class"),
    named = generic.some((one) => one === given) ? undefined : given;
  const known = typeof named === "string"
    ? named.replace(/Fast$/, "")
    : Object.entries(classes).find(([, { models }]) => models.some((one) => one === model))?.[0] ??
      (model === undefined ? "GPT2Tokenizer" : undefined);
  if (known === undefined || !Object.hasOwn(classes, known)) {
    const source = known === undefined ? `model_type ${show(model)}` : `tokenizer_class ${show(named)}`;
    throw new TokenizerError(
      "unsupported",
      `${folder}vocab.json: ${source} splits texts in its own way: expected ${
        Object.keys(classes).join(", ")
      }, or a ` +
        `tokenizer.json, which Python's transformers writes with save_pretrained`,
    );
  }
  const { normalizer, pattern, readdsPlainly } = classes[known];
  const byteLevel = {
    type: "ByteLevel",
    add_prefix_space: own(config, "add_prefix_space") === true,
    trim_offsets: true,
    use_regex: pattern === undefined,
  };
  const split = { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
  const json = {
    version: "1.0",
    added_tokens: [],
    normalizer: normalizer ? { type: normalizer } : null,
    pre_tokenizer: pattern ? { type: "Sequence", pretokenizers: [split, byteLevel] } : byteLevel,
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: "BPE", vocab: vocabulary, merges: merges.split(/\r?\n/).filter((line) => line !== "") },
  };
  return { json, names: defaultTokens[known], readdsPlainly };
}

/** What a class calls its tokens where no file does. */
export const defaultTokens: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  GPT2Tokenizer: { bos_token: "<|endoftext|>", eos_token: "<|endoftext|>", unk_token: "<|endoftext|>" },
  GPTNeoXTokenizer: {
    bos_token: "<|endoftext|>",
    eos_token: "<|endoftext|>",
    unk_token: "<|endoftext|>",
    pad_token: "<|padding|>",
  },
  Qwen2Tokenizer: { eos_token: "<|endoftext|>", unk_token: "<|endoftext|>", pad_token: "<|endoftext|>" },
  LlamaTokenizer: { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" },
  GemmaTokenizer: { bos_token: "<bos>", eos_token: "<eos>", unk_token: "<unk>", pad_token: "<pad>" },
};

/** Whether a value is a token as companion files write it: a text, or an object with its `content`. */
export function isToken(value: unknown): value is string | JsonObject {
  return typeof value === "string" || (isJsonObject(value) && typeof own(value, "content") === "string");
}
