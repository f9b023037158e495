/**
 * Byte-pair encoding (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909, section 3.2): of the neighbours that may be
 * merged, those whose merge was learnt first are, from the left, until none is left.
 */
import { show } from "../../../base/show.ts";
import { TokenizerError } from "../error.ts";
import { byteIds, type TokenModel } from "./model.ts";
import { Heap } from "./heap.ts";

/** Options of the model, as a `tokenizer.json` names them. */
export interface BpeOptions {
  /** Ids by token. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** Pairs to merge, the first ones first; parts and results are in the vocabulary. */
  readonly merges: readonly (readonly [left: string, right: string])[];
  /** Token for what is not in the vocabulary; without one it is left out. */
  readonly unknown?: string;
  /** Several unknown characters in a row are one token. */
  readonly fuseUnknown?: boolean;
  /** Unknown characters are tokens of their bytes, `<0x0A>`, where there are such. */
  readonly byteFallback?: boolean;
  /** A piece that is in the vocabulary is one token, whatever the merges say. */
  readonly ignoreMerges?: boolean;
  /** Written before each character but the first of a piece. */
  readonly prefix?: string;
  /** Written after the last character of a piece. */
  readonly suffix?: string;
}

/** Ranks and places share one number: ranks are below 2^24, places below this. */
const places = 2 ** 28;

/** Byte-pair encoding. */
export class Bpe implements TokenModel {
  readonly type = "BPE";
  readonly size: number;
  readonly largestId: number;
  readonly #tokens = new Map<number, string>();
  readonly #options: BpeOptions;
  /** By left id * 2^24 + right id. */
  readonly #ranks = new Map<number, number>();
  /** Id of what a rank makes. */
  readonly #results: Int32Array;

  /** @throws {TokenizerError} `format` where a part or a result of a merge is no token; `where` names the list of merges */
  constructor(options: BpeOptions, where: string) {
    const { vocabulary, merges, prefix = "" } = this.#options = options;
    this.size = vocabulary.size;
    let largest = -1;
    for (const [token, id] of vocabulary) {
      this.#tokens.set(id, token);
      if (id > largest) largest = id;
    }
    this.largestId = largest;
    this.#results = new Int32Array(merges.length);
    for (const [rank, [left, right]] of merges.entries()) {
      if (!right.startsWith(prefix)) {
        throw new TokenizerError(
          "format",
          `${where}[${rank}]: ${show(right)} does not begin with ${show(prefix)}`,
        );
      }
      const [a, b, made] = [left, right, left + right.slice(prefix.length)].map((token) => {
        const id = vocabulary.get(token);
        if (id !== undefined) return id;
        throw new TokenizerError("format", `${where}[${rank}]: ${show(token)} is not in the vocabulary`);
      });
      this.#ranks.set(pair(a, b), rank);
      this.#results[rank] = made;
    }
  }

  idOf(token: string): number | undefined {
    return this.#options.vocabulary.get(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens.get(id);
  }

  encode(piece: string): readonly number[] {
    if (this.#options.ignoreMerges) {
      const whole = this.#options.vocabulary.get(piece);
      if (whole !== undefined) return [whole];
    }
    return this.#merge(this.#characters(piece));
  }

  #characters(piece: string): number[] {
    const { vocabulary, unknown, fuseUnknown, byteFallback, prefix, suffix } = this.#options;
    const ids: number[] = [];
    // An unknown token waits for what comes next: bytes overtake it, as in the library.
    let waiting: number | undefined;
    for (let at = 0; at < piece.length;) {
      let char = piece[at];
      const code = piece.codePointAt(at) ?? 0;
      if (code > 0xffff) char = piece.slice(at, at + 2);
      const isFirst = at === 0;
      at += char.length;
      if (!isFirst && prefix) char = prefix + char;
      if (at === piece.length && suffix) char += suffix;
      const id = vocabulary.get(char);
      if (id !== undefined) {
        if (waiting !== undefined) ids.push(waiting);
        waiting = undefined;
        ids.push(id);
        continue;
      }
      const bytes = byteFallback ? byteIds(char, vocabulary) : undefined;
      if (bytes) {
        ids.push(...bytes);
      } else if (unknown !== undefined) {
        if (waiting !== undefined && !fuseUnknown) ids.push(waiting);
        waiting = vocabulary.get(unknown);
        if (waiting === undefined) {
          throw new TokenizerError("text", `the unknown token ${show(unknown)} is not in the vocabulary`);
        }
      }
    }
    if (waiting !== undefined) ids.push(waiting);
    return ids;
  }

  #merge(ids: number[]): number[] {
    const count = ids.length;
    if (count < 2) return ids;
    const ranks = this.#ranks, results = this.#results, queue = new Heap();
    const previous = Array.from({ length: count }, (_, i) => i - 1);
    const next = Array.from({ length: count }, (_, i) => i + 1);
    const offer = (at: number) => {
      const rank = ranks.get(pair(ids[at], ids[next[at]]));
      if (rank !== undefined) queue.push(rank * places + at);
    };
    for (let i = 0; i + 1 < count; i++) offer(i);
    for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
      const at = top % places, right = next[at], made = results[(top - at) / places];
      // What was offered may have been merged since.
      if (ids[at] < 0 || right >= count) continue;
      const rank = ranks.get(pair(ids[at], ids[right]));
      if (rank === undefined || results[rank] !== made) continue;
      ids[at] = made;
      ids[right] = -1;
      next[at] = next[right];
      if (next[at] < count) {
        previous[next[at]] = at;
        offer(at);
      }
      if (previous[at] >= 0) offer(previous[at]);
    }
    return ids.filter((id) => id >= 0);
  }
}

function pair(left: number, right: number): number {
  return left * 2 ** 24 + right;
}
