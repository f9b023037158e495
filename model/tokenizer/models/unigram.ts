/**
 * Unigram language model (Kudo 2018, https://arxiv.org/abs/1804.10959, section 3.2): of all ways to cut a piece into tokens,
 * the one whose log probabilities sum highest (Viterbi).
 */
import { TokenizerError } from "../error.ts";
import { beginningsOf, byteIds, type TokenModel } from "./model.ts";

/** Less likely than the least likely token, by this much, is a character that no token is. */
const unknownPenalty = 10;

/** A unigram language model. */
export class Unigram implements TokenModel {
  readonly type = "Unigram";
  readonly size: number;
  readonly largestId: number;
  readonly #ids: ReadonlyMap<string, number>;
  /** Beginnings of tokens: id, or -1 where only longer ones are tokens. */
  readonly #beginnings: ReadonlyMap<string, number>;
  readonly #unknownScore: number;

  constructor(
    readonly tokens: readonly (readonly [token: string, score: number])[],
    readonly unknown: number | undefined,
    readonly byteFallback: boolean,
  ) {
    this.size = tokens.length;
    this.largestId = tokens.length - 1;
    this.#ids = new Map(tokens.map(([token], id) => [token, id]));
    let least = Infinity;
    for (const [, score] of tokens) least = Math.min(least, score);
    this.#unknownScore = least - unknownPenalty;
    this.#beginnings = beginningsOf(this.#ids);
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  tokenOf(id: number): string | undefined {
    return this.tokens[id]?.[0];
  }

  encode(piece: string): readonly number[] {
    return this.#best(piece).flatMap((part) => {
      const id = this.#ids.get(part) ?? (this.byteFallback ? byteIds(part, this.#ids) : undefined);
      return id ?? this.unknown ?? this.#missing();
    });
  }

  /** The texts of the best way, neighbours of unknown characters as one. */
  #best(piece: string): string[] {
    const size = piece.length;
    const scores = new Float64Array(size + 1), from = new Int32Array(size + 1).fill(-1);
    const ids = new Int32Array(size + 1);
    const offer = (start: number, end: number, score: number, id: number) => {
      const sum = score + scores[start];
      if (from[end] >= 0 && !(sum > scores[end])) return;
      scores[end] = sum;
      from[end] = start;
      ids[end] = id;
    };
    for (let start = 0; start < size;) {
      const next = start + ((piece.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
      let isToken = false;
      for (let end = start + 1; end <= size; end++) {
        const id = this.#beginnings.get(piece.slice(start, end));
        if (id === undefined) break;
        if (id < 0) continue;
        offer(start, end, this.tokens[id][1], id);
        if (end === next) isToken = true;
      }
      if (!isToken) offer(start, next, this.#unknownScore, this.unknown ?? this.#missing());
      start = next;
    }
    const parts: string[] = [];
    let unknownEnd = -1;
    for (let end = size; end > 0; end = from[end]) {
      if (ids[end] === this.unknown) {
        if (unknownEnd < 0) unknownEnd = end;
        if (from[end] === 0) parts.push(piece.slice(0, unknownEnd));
        continue;
      }
      if (unknownEnd >= 0) parts.push(piece.slice(end, unknownEnd));
      unknownEnd = -1;
      parts.push(piece.slice(from[end], end));
    }
    return parts.reverse();
  }

  #missing(): never {
    throw new TokenizerError(
      "text",
      "a character is no token, and the vocabulary has no unknown token (unk_id)",
    );
  }
}
