/** Whether the ids of two models stand for the same tokens. */
import type { Model } from "../../model/model.ts";
import { TokenizerError } from "../../model/tokenizer/error.ts";
import type { Tokenizer } from "../../model/tokenizer/tokenizer.ts";
import { show } from "../../base/show.ts";
import { CompareError } from "./error.ts";

const texts = new WeakMap<Tokenizer, readonly string[] | null>();

/** The text of every token; null where a model has no tokenizer that can be used. */
function tokensOf(tokenizer: Tokenizer): readonly string[] | null {
  const known = texts.get(tokenizer);
  if (known !== undefined) return known;
  let found: readonly string[] | null;
  try {
    found = Array.from({ length: tokenizer.vocabularySize }, (_, id) => tokenizer.decode([id]));
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    found = null;
  }
  texts.set(tokenizer, found);
  return found;
}

/**
 * Throws unless two models read the same tokens. Returns what could not be checked, in a sentence.
 *
 * @throws {CompareError} `vocabulary`, `tokenizer` or `tokens`
 */
export function requireSameTokens(reference: Model, candidate: Model): string | null {
  const a = reference.tokenizer, b = candidate.tokenizer;
  if (a === b) return null;
  if (a.vocabularySize !== b.vocabularySize) {
    throw new CompareError(
      "vocabulary",
      `${candidate.name} has a vocabulary of ${b.vocabularySize} tokens: expected ${a.vocabularySize}, as the ` +
        `reference ${reference.name} has`,
    );
  }
  const ours = tokensOf(a), theirs = tokensOf(b);
  if (ours === null || theirs === null) {
    const { name } = ours === null ? reference : candidate;
    return `${name} has no tokenizer that can be used: nobody checked that ids stand for the same tokens`;
  }
  const other = ours.findIndex((text, id) => text !== theirs[id]);
  if (other < 0) return null;
  const same = ours.filter((text, id) => text === theirs[id]).length;
  if (same === 0) {
    throw new CompareError(
      "tokens",
      `${candidate.name} and the reference ${reference.name} have no token in common: id 0 is ${
        show(theirs[0])
      } and ${show(ours[0])}`,
    );
  }
  throw new CompareError(
    "tokenizer",
    `${candidate.name} has another tokenizer than the reference ${reference.name}: ${
      ours.length - same
    } of ${ours.length} ` +
      `ids stand for other tokens, the first is ${other}: ${show(theirs[other])} and ${show(ours[other])}`,
  );
}
