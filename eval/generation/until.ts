/** Greedy text up to a stop string, as lm-evaluation-harness generates it. */
import type { Model } from "../../model/model.ts";

/** A continuation. */
export interface Continuation {
  /** New tokens, the end token not included. */
  readonly ids: readonly number[];
  /** Their text without special tokens, up to the first stop string. */
  readonly text: string;
}

/** Continues `ids` greedily until the end token, a stop string, or `maxNewTokens`. */
export async function generateUntil(
  model: Model,
  ids: Int32Array,
  { stop, maxNewTokens }: { readonly stop: readonly string[]; readonly maxNewTokens: number },
): Promise<Continuation> {
  const { tokenizer } = model;
  // A stop string may begin in the middle of a token: a few more tokens than it has are looked at.
  const lookBack = stop.map((one) => tokenizer.encode(one, { addSpecialTokens: false }).length + 2);
  const seen: number[] = [];
  await model.generate(ids, {
    maxNewTokens,
    onToken: (token) => {
      seen.push(token);
      return !stop.some((one, i) => tokenizer.decode(seen.slice(-lookBack[i])).includes(one));
    },
  });
  return { ids: seen, text: cutAt(tokenizer.decode(seen, { skipSpecialTokens: true }), stop) };
}

/** The text before the first of each stop string, one after the other. */
export function cutAt(text: string, stop: readonly string[]): string {
  return stop.reduce((rest, one) => one === "" ? rest : rest.split(one)[0], text);
}
