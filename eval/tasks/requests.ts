/** From text to tokens: where a context ends and its continuation begins, and what of both fits into the model. */
import type { TaskEncoder } from "./encoder.ts";
import { TaskError } from "./error.ts";
import { stripEnd } from "./text.ts";

/** A context and the continuation that is scored after it, in tokens. */
export interface TokenPair {
  /** What comes before. */
  readonly context: Int32Array;
  /** What is scored. */
  readonly continuation: Int32Array;
}

/** A sequence to run: the last `targets.length` positions of `fed` predict the targets. */
export interface TokenRequest {
  /** Tokens that the model reads. */
  readonly fed: Int32Array;
  /** Tokens that it should predict. */
  readonly targets: Int32Array;
}

/**
 * Splits as lm-evaluation-harness does: white space at the end of the context goes to the continuation, and the
 * continuation's tokens are those of the joint text after as many as the context alone has. Where tokens straddle
 * the border this is no tokenization of the text, but it is what published numbers were measured with. An answer without
 * a context is a text of its own: with special tokens it begins with one that is scored.
 */
export function encodePair(encoder: TaskEncoder, context: string, continuation: string): TokenPair {
  if (context === "") return encoder.alone(continuation);
  const stem = stripEnd(context);
  const before = encoder.encode(stem);
  const whole = encoder.encode(context + continuation);
  return { context: before, continuation: whole.slice(before.length) };
}

/**
 * What the model reads to score a pair: all but the last token, cut from the left to `maxLength` tokens.
 *
 * @throws {TaskError} `empty` when nothing is left to score, `length` when the continuation alone is too long
 */
export function tokenRequest({ context, continuation }: TokenPair, maxLength: number): TokenRequest {
  if (context.length === 0) throw new TaskError("empty", "the context has no tokens");
  if (continuation.length === 0) {
    throw new TaskError("empty", "the continuation merges into the context's last token");
  }
  if (continuation.length > maxLength) {
    throw new TaskError(
      "length",
      `the continuation has ${continuation.length} tokens, the model ${maxLength} positions`,
    );
  }
  const whole = new Int32Array([...context, ...continuation]);
  return { fed: whole.slice(Math.max(0, whole.length - 1 - maxLength), -1), targets: continuation };
}

/**
 * Windows over a document in which every token is predicted once: the first begins with `start`, each next one predicts
 * `maxLength` tokens after one token of context, and the last is moved left to be full.
 */
export function rollingWindows(ids: Int32Array, start: number, maxLength: number): TokenPair[] {
  const windows: TokenPair[] = [];
  for (let at = 0; at < ids.length; at += maxLength) {
    const continuation = ids.slice(at, at + maxLength);
    const first = Math.max(0, at - 1 - (maxLength - continuation.length));
    windows.push({ context: at === 0 ? Int32Array.of(start) : ids.slice(first, at), continuation });
  }
  return windows;
}
