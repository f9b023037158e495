/** What a model of a tokenizer is: pieces of text to ids. */

/** Tokens and how a piece is made of them. */
export interface TokenModel {
  /** Name of its type. */
  readonly type: "BPE" | "Unigram" | "WordLevel" | "WordPiece";
  /** How many tokens it has: added ones that it does not know get ids from here on. */
  readonly size: number;
  /** The largest id; -1 without tokens. */
  readonly largestId: number;
  /** Id of a token. */
  idOf(token: string): number | undefined;
  /** Text of an id. */
  tokenOf(id: number): string | undefined;
  /** Ids of a piece. */
  encode(piece: string): readonly number[];
}

/** Text that stands for a byte. */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

const utf8 = new TextEncoder();

/** Ids of a text's bytes, or undefined where one of them is no token. */
export function byteIds(text: string, ids: ReadonlyMap<string, number>): number[] | undefined {
  const found: number[] = [];
  for (const byte of utf8.encode(text)) {
    const id = ids.get(byteToken(byte));
    if (id === undefined) return undefined;
    found.push(id);
  }
  return found;
}

/** All beginnings of tokens: the id of one that is a token, or -1 where only longer ones are. */
export function beginningsOf(ids: ReadonlyMap<string, number>): Map<string, number> {
  const beginnings = new Map<string, number>();
  for (const [token, id] of ids) {
    for (let end = 1; end < token.length; end++) {
      const start = token.slice(0, end);
      if (!beginnings.has(start)) beginnings.set(start, -1);
    }
    beginnings.set(token, id);
  }
  return beginnings;
}
