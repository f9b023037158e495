/**
 * The metadata of an architecture: keys are asked for with the range that they must lie in; those that nobody asked for are
 * refused, passed over or told, by rule.
 */
import { CheckpointError } from "../files/error.ts";
import { checkFields } from "../../base/fields.ts";
import { show } from "../../base/show.ts";
import type { GgufFile } from "./file.ts";
import type { GgufValue } from "./header.ts";

/** Under the architecture's name: these change no result, or say what the tensors show. */
const harmless = [
  "vocab_size",
  "tensor_data_layout",
  "rope.scaling.finetuned",
  "use_parallel_residual",
  "rope.scaling.original_context_length",
];

/** What these ask for is not done here; with these values they ask for nothing. */
const refused: Readonly<Record<string, readonly unknown[]>> = {
  "attention.causal": [true],
  "attention.max_alibi_bias": [0],
  "attention.sliding_window": [0],
  "attention.temperature_scale": [0],
  "attention.clamp_kqv": [0],
  "attn_logit_softcapping": [0],
  "final_logit_softcapping": [0],
  "logit_scale": [1],
  "residual_scale": [0, 1],
  "embedding_scale": [0, 1],
  "expert_count": [0],
  "expert_used_count": [0],
  "expert_shared_count": [0],
  "expert_shared_feed_forward_length": [0],
  "expert_group_count": [0, 1],
  "expert_group_used_count": [0, 1],
  "expert_weights_scale": [0, 1],
  "expert_weights_norm": [true],
  "expert_gating_func": [0, 1],
  "leading_dense_block_count": [0],
  "nextn_predict_layers": [0],
  "rope.scaling.alpha": [0],
  "rope.scaling.yarn_ext_factor": [1],
  "rope.scaling.yarn_log_multiplier": [0],
};

/** What else stands under these names belongs to a computation that is not known here. */
const meaningful =
  /^(rope|attention|expert|ssm|wkv|time_mix|moe|dense|classifier|altup|laurel|swiglu|xielu|deepstack|shortconv)\b|scale|softcap|clamp|residual|window|nextn|activation|hidden_act|embedding_length|per_layer|router/;

/** General keys describe, but for these. */
const generalRefused = { "general.type": ["model"] };

/** Reads the metadata of a file. */
export class Metadata {
  readonly #used = new Set<string>();
  /** `general.architecture`. */
  readonly architecture: string;

  constructor(private readonly file: GgufFile) {
    this.architecture = String(file.metadata.get("general.architecture"));
  }

  /** Whether the key is there, without the architecture's prefix. */
  has(name: string): boolean {
    return this.file.metadata.has(`${this.architecture}.${name}`);
  }

  /** The value, if any: a 64-bit integer as a number where one holds it. */
  value(name: string): GgufValue | undefined {
    const key = `${this.architecture}.${name}`, value = this.file.metadata.get(key);
    this.#used.add(key);
    return narrow(value);
  }

  /** A number from `least` to `most`; a list that says the same of every layer counts as one. */
  number(name: string, least: number, most: number, fallback?: number): number {
    const value = common(this.value(name)) ?? fallback;
    const valid = typeof value === "number" && value >= least && value <= most;
    return valid ? value : this.fail(name, `a number from ${least} to ${most}`);
  }

  /** An integer from 1 to `most`. */
  integer(name: string, most: number, fallback?: number, least = 1): number {
    const value = this.number(name, least, most, fallback);
    return Number.isInteger(value) ? value : this.fail(name, "an integer");
  }

  /** True or false. */
  boolean(name: string, fallback: boolean): boolean {
    const value = this.value(name) ?? fallback;
    return typeof value === "boolean" ? value : this.fail(name, "true or false");
  }

  /** Says that a value is not what is accepted. */
  fail(name: string, expected: string): never {
    const key = name.includes("general.") ? name : `${this.architecture}.${name}`;
    const value = this.file.metadata.get(key);
    const got = value === undefined ? "it is missing" : `got ${show(value)}`;
    throw new CheckpointError("config", `${this.file.path}: ${key} must be ${expected}, ${got}`);
  }

  /**
   * Sentences about the keys that were not used and are not known to be harmless.
   *
   * @throws {CheckpointError} `config`, naming a key that changes what the model computes and was not used
   */
  notices(): string[] {
    const { path, metadata } = this.file, prefix = `${this.architecture}.`;
    const refuse = (message: string): never => {
      throw new CheckpointError("config", message);
    };
    const own = (name: string) => `${prefix}${name}`;
    const values: Record<string, unknown> = {}, unknown: string[] = [];
    for (const [key, value] of metadata) {
      values[key] = narrow(value);
      const name = key.startsWith(prefix) ? key.slice(prefix.length) : "";
      if (this.#used.has(key) || harmless.includes(name) || Object.hasOwn(refused, name)) continue;
      if (meaningful.test(name)) unknown.push(key);
    }
    const left = Object.entries(refused).filter(([name]) => !this.#used.has(own(name)));
    const notices = checkFields(path, values, {
      used: this.#used,
      harmless: [
        ...harmless.map(own),
        "general.*",
        "quantbook.*",
        "tokenizer.*",
        "split.*",
        "quantize.imatrix.*",
      ],
      refused: {
        ...Object.fromEntries(left.map(([name, accepted]) => [own(name), accepted])),
        ...generalRefused,
      },
    }, refuse);
    if (unknown.length > 0) {
      const [key] = unknown;
      refuse(`${path}: ${key} (${show(values[key])}) changes what the model computes and is not supported`);
    }
    return notices;
  }
}

/** A 64-bit integer as a number, where one holds it. */
function narrow(value: GgufValue | undefined): GgufValue | undefined {
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** What a list says of every layer alike. */
function common(value: GgufValue | undefined): GgufValue | undefined {
  if (!Array.isArray(value) || value.length === 0) return narrow(value);
  const first = narrow(value[0]);
  return value.every((one) => narrow(one) === first) ? first : value;
}
