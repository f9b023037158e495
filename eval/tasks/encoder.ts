/**
 * What lm-evaluation-harness decides by the kind of a model before it sees a text (`HFLM.__init__`, `tok_encode`, `prefix_token_id` and
 * `max_length` in its models/huggingface.py), in 0.4.8 and, where it is another, in 0.4.13.
 */
import type { Model } from "../../model/model.ts";
import type { Tokenizer } from "../../model/tokenizer/tokenizer.ts";
import { TaskError } from "./error.ts";
import type { HarnessVersion } from "./task.ts";

/** Settings that the harness takes as `--model_args`. */
export interface EncoderOptions {
  /** `add_bos_token`; see `TaskOptions`. */
  readonly addBosToken?: boolean;
  /** `prefix_token_id`. */
  readonly prefixToken?: number;
  /** Whose habits (default `"0.4.8"`). */
  readonly harness?: HarnessVersion;
}

/** Turns the texts of a task into tokens. */
export interface TaskEncoder {
  /** Whether texts get special tokens. */
  readonly addBosToken: boolean;
  /** The token that stands where there is no context. */
  readonly prefixToken: number | undefined;
  /** Tokens of a text. */
  encode(text: string): Int32Array<ArrayBuffer>;
  /** Tokens of an answer that has no context: what it begins with, and what is scored. */
  alone(text: string): { readonly context: Int32Array; readonly continuation: Int32Array };
}

/** The encoder of a model's tasks. */
export function taskEncoder(
  { tokenizer, architecture: { family } }: { tokenizer: Tokenizer; architecture: { family: string } },
  options: EncoderOptions = {},
): TaskEncoder {
  const later = options.harness === "0.4.13";
  const addBosToken = options.addBosToken ?? (later || family.includes("gemma"));
  const prefixToken = options.prefixToken ?? tokenizer.bos ?? tokenizer.eos;
  // Since 0.4.9.2 a text that brings its own beginning gets no other.
  const beginning = later && prefixToken !== undefined ? tokenizer.decode([prefixToken]) : undefined;
  const encoder: TaskEncoder = {
    addBosToken,
    prefixToken,
    encode: (text) => {
      const begun = beginning !== undefined && text.startsWith(beginning);
      return tokenizer.encode(text, { addSpecialTokens: addBosToken && !begun });
    },
    alone: (text) => {
      const start = prefixOf(encoder, "An empty context");
      if (!later) return { context: Int32Array.of(start), continuation: encoder.encode(text) };
      const ids = tokenizer.encode(text, { addSpecialTokens: false });
      return ids[0] === start
        ? { context: ids.slice(0, 1), continuation: ids.slice(1) }
        : { context: Int32Array.of(start), continuation: ids };
    },
  };
  return encoder;
}

/**
 * The prefix, where one is needed.
 *
 * @throws {TaskError} `option`, when the tokenizer has neither a first nor an end token
 */
export function prefixOf({ prefixToken }: TaskEncoder, what: string): number {
  if (prefixToken !== undefined) return prefixToken;
  throw new TaskError("option", `${what} needs a tokenizer with a first token, or prefixToken`);
}

/**
 * Most tokens that the harness feeds a model: its positions, if its configuration names them at the top under one of three
 * names (for a family without a default of its own), else 2048.
 */
export function harnessLength({ architecture, checkpoint }: Model): number {
  const { family, maxPositions } = architecture;
  const { values, source } = checkpoint.config;
  const named = ["n_positions", "max_position_embeddings", "n_ctx"].some((key) => Object.hasOwn(values, key));
  // The text model of a multimodal file is a section of it.
  if (source.endsWith(": text_config")) return Math.min(2048, maxPositions);
  // Positions of Bloom and of recurrences have no end, and their configurations name none that the harness looks for.
  return !named && (family === "bloom" || architecture.stateSpace)
    ? Math.min(2048, maxPositions)
    : maxPositions;
}
