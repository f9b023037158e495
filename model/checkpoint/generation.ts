/** What a model's files say about generating with it: `generation_config.json`, and the end tokens of its configuration. */
import { isMissing, readBytes } from "../../base/file.ts";
import { checkFields } from "../../base/fields.ts";
import { decodeUtf8, isJsonObject, type JsonObject, own, parsePythonJson } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import { CheckpointError } from "../files/error.ts";
import type { ModelConfig } from "./config.ts";

/** How a model is meant to be generated with. */
export interface Generation {
  /** Ids of the tokens that end a text, in order. */
  readonly endTokens: readonly number[];
  /** What the file says that generation does not do here, in sentences. */
  readonly notices: readonly string[];
}

/** Values with which these ask for nothing; with others the makers' own tools choose other tokens, even greedily. */
const idle: Readonly<Record<string, readonly unknown[]>> = {
  ...{
    repetition_penalty: [1],
    encoder_repetition_penalty: [1],
    diversity_penalty: [0],
    length_penalty: [1],
  },
  ...{ no_repeat_ngram_size: [0], encoder_no_repeat_ngram_size: [0], min_length: [0], min_new_tokens: [0] },
  ...{ num_beams: [1], num_beam_groups: [1], num_return_sequences: [1], early_stopping: [false] },
  ...{ guidance_scale: [1], renormalize_logits: [false], remove_invalid_values: [false], stop_strings: [] },
  ...{ bad_words_ids: [], force_words_ids: [], constraints: [], sequence_bias: [], suppress_tokens: [[]] },
  ...{ begin_suppress_tokens: [[]], forced_bos_token_id: [], forced_eos_token_id: [], penalty_alpha: [] },
  ...{
    exponential_decay_length_penalty: [],
    watermarking_config: [],
    dola_layers: [],
    prompt_lookup_num_tokens: [],
  },
};

/** How to sample, and how far, is the caller's to say; the rest is for other libraries. */
const harmless = [
  ...[
    "do_sample",
    "temperature",
    "top_k",
    "top_p",
    "top_h",
    "min_p",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
  ],
  ...["max_length", "max_new_tokens", "max_time", "bos_token_id", "pad_token_id", "decoder_start_token_id"],
  ...["_from_model_config", "transformers_version", "use_cache", "cache_implementation", "cache_config"],
  ...["return_dict_in_generate", "return_legacy_cache", "output_*", "prefill_chunk_size", "compile_config"],
  ...[
    "disable_compile",
    "low_memory",
    "token_healing",
    "generation_kwargs",
    "_name_or_path",
    "trust_remote_code",
  ],
  ...["num_assistant_tokens*", "assistant_*", "is_assistant", "max_matching_ngram_size", "target_lookbehind"],
  ...["speculation_*"],
];

/**
 * Reads `generation_config.json` beside a configuration, if it is there.
 *
 * A text ends at each token that one of the two files names (`eos_token_id`: an id or a list). transformers asks the configuration only
 * where the other file has no end token; where they differ, one of them is out of date, and no text should go on past either.
 *
 * @throws {CheckpointError} `config`
 */
export async function readGeneration(directory: string, config: ModelConfig): Promise<Generation> {
  const file = `${directory}/generation_config.json`, values = await readValues(file);
  const ids = new Set([...endTokens(values, file), ...endTokens(config.values, config.source)]);
  const text = own(config.values, "text_config");
  if (isJsonObject(text)) { for (const id of endTokens(text, `${config.source}: text_config`)) ids.add(id); }
  return { endTokens: [...ids].sort((a, b) => a - b), notices: notices(values, file) };
}

async function readValues(file: string): Promise<JsonObject> {
  let text: string;
  try {
    text = decodeUtf8(await readBytes(file));
  } catch (error) {
    if (isMissing(error)) return {};
    throw refused(file, error);
  }
  try {
    const values = parsePythonJson(text);
    if (isJsonObject(values)) return values;
  } catch (error) {
    throw refused(file, error);
  }
  throw refused(file, "expected a JSON object");
}

function refused(file: string, reason: unknown): CheckpointError {
  return new CheckpointError("config", `${file}: ${reason instanceof Error ? reason.message : reason}`);
}

function endTokens(values: JsonObject, source: string): number[] {
  const value = own(values, "eos_token_id") ?? [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((id) => {
    if (typeof id === "number" && Number.isInteger(id)) return id;
    throw new CheckpointError(
      "config",
      `${source}: eos_token_id is ${show(value)}: expected an id or a list of ids`,
    );
  });
}

/** A sentence for each field that would change what a greedy choice is. */
function notices(values: JsonObject, file: string): string[] {
  const asked = Object.entries(idle).filter(([name, nothing]) => {
    const value = own(values, name) ?? null;
    return value !== null && !nothing.some((one) => JSON.stringify(one) === JSON.stringify(value));
  });
  const known = { used: ["eos_token_id", ...Object.keys(idle)], harmless };
  const unknown = checkFields(file, values, known, (message) => {
    throw new CheckpointError("config", message);
  });
  return [
    ...asked.map(([name]) => `${file}: ${name} (${show(values[name])}) is not done here and was not used`),
    ...unknown,
  ];
}
