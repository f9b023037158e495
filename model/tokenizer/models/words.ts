/** Models that know words: whole ones, or their longest parts first (WordPiece, https://arxiv.org/abs/1810.04805). */
import { TokenizerError } from "../error.ts";
import type { TokenModel } from "./model.ts";

abstract class Words {
  readonly size: number;
  readonly largestId: number;
  readonly #tokens: ReadonlyMap<number, string>;

  constructor(
    protected readonly vocabulary: ReadonlyMap<string, number>,
    protected readonly unknown: string,
  ) {
    this.size = vocabulary.size;
    this.#tokens = new Map(Array.from(vocabulary, ([token, id]) => [id, token]));
    this.largestId = vocabulary.values().reduce((largest, id) => Math.max(largest, id), -1);
  }

  idOf(token: string): number | undefined {
    return this.vocabulary.get(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens.get(id);
  }

  protected unknownId(): number {
    const id = this.vocabulary.get(this.unknown);
    if (id !== undefined) return id;
    throw new TokenizerError(
      "text",
      `the unknown token ${JSON.stringify(this.unknown)} is not in the vocabulary`,
    );
  }
}

/** Each piece is one token. */
export class WordLevel extends Words implements TokenModel {
  readonly type = "WordLevel";

  encode(piece: string): readonly number[] {
    return [this.vocabulary.get(piece) ?? this.unknownId()];
  }
}

/** A piece is the longest token that it begins with, and so on; or unknown as a whole. */
export class WordPiece extends Words implements TokenModel {
  readonly type = "WordPiece";

  constructor(
    vocabulary: ReadonlyMap<string, number>,
    unknown: string,
    readonly prefix: string,
    readonly longest: number,
  ) {
    super(vocabulary, unknown);
  }

  encode(piece: string): readonly number[] {
    const chars = Array.from(piece);
    if (chars.length > this.longest) return [this.unknownId()];
    const ids: number[] = [];
    for (let start = 0; start < chars.length;) {
      let end = chars.length, id: number | undefined;
      for (; end > start && id === undefined; end--) {
        id = this.vocabulary.get((start > 0 ? this.prefix : "") + chars.slice(start, end).join(""));
      }
      if (id === undefined) return [this.unknownId()];
      ids.push(id);
      start = end + 1;
    }
    return ids;
  }
}
