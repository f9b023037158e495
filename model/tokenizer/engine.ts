/** What turns text into ids and back: a `tokenizer.json` or a SentencePiece vocabulary, run. */
import type { AddedTokens } from "./added.ts";
import type { Template } from "./steps/post_processors.ts";

/** Text to ids and back. */
export interface Engine {
  /** The largest id. */
  readonly largestId: number;
  /** Tokens that are found in a text before anything else. */
  readonly added: AddedTokens;
  /** What is put around a text. */
  template: Template;
  /** Whether its decoding may be cleaned up: that of byte-pair vocabularies never is. */
  readonly isBpe: boolean;
  /** Id of a token, added or not. */
  idOf(token: string): number | undefined;
  /** Ids of a text, with what the template puts around it or without. */
  encode(text: string, addSpecialTokens: boolean): Int32Array<ArrayBuffer>;
  /** Text of ids; an id that is no token is left out. */
  decode(ids: readonly number[], skipSpecialTokens: boolean): string;
}

/** A template filled: what stands around a text only where it is asked for. */
export function around(
  template: Template,
  addSpecialTokens: boolean,
  encode: (ids: number[]) => void,
): Int32Array<ArrayBuffer> {
  const ids: number[] = [];
  for (const id of template) {
    if (id === undefined) encode(ids);
    else if (addSpecialTokens) ids.push(id);
  }
  return Int32Array.from(ids);
}
