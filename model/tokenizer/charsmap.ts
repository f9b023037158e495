/**
 * SentencePiece's compiled table of replacements: the length of a double-array trie, the trie of what is replaced, and the
 * replacements, each ended by a zero (https://github.com/google/sentencepiece, doc/normalization.md; the trie is
 * https://github.com/s-yata/darts-clone).
 */
import { TokenizerError } from "./error.ts";
import type { Fields } from "./fields.ts";

const utf8 = new TextEncoder();
const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** A match at the start of some bytes. */
export interface CharsmapMatch {
  /** How many bytes are replaced. */
  readonly length: number;
  /** What stands for them. */
  readonly text: string;
}

/** A table of replacements. */
export class Charsmap {
  readonly #trie: Uint32Array;
  readonly #texts: Uint8Array;

  /** @throws {RangeError} when the sizes do not fit */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.length < 4 ? -1 : view.getUint32(0, true);
    if (size < 4 || size % 4 !== 0 || size + 4 > bytes.length) {
      throw new RangeError(`the table says that its trie has ${size} of ${bytes.length} bytes`);
    }
    this.#trie = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#texts = bytes.subarray(4 + size);
  }

  /** The key that `bytes` have from a place on: the longest one, or the shortest. */
  match(bytes: Uint8Array, from: number, which: "longest" | "shortest"): CharsmapMatch | undefined {
    const trie = this.#trie;
    let node = offset(trie[0]), length = 0, start = 0;
    for (let at = from; at < bytes.length && bytes[at] !== 0; at++) {
      node ^= bytes[at];
      // A place outside of the trie has no key.
      const unit = trie[node];
      if (unit === undefined || (unit & 0x800000ff) >>> 0 !== bytes[at]) break;
      node ^= offset(unit);
      if ((unit >>> 8 & 1) === 0 || node >= trie.length) continue;
      length = at - from + 1;
      start = trie[node] & 0x7fffffff;
      if (which === "shortest") break;
    }
    return length === 0 || start >= this.#texts.length ? undefined : { length, text: this.#text(start) };
  }

  #text(start: number): string {
    const end = this.#texts.indexOf(0, start);
    return new TextDecoder().decode(this.#texts.subarray(start, end < 0 ? undefined : end));
  }

  /**
   * As the library normalizes: a grapheme below 6 bytes is replaced whole by what stands for its shortest beginning, and
   * where there is none, each of its characters is.
   */
  readonly byGraphemes = (text: string): string => {
    const known = new Map<string, string>();
    const replaced = (part: string): string | undefined => this.match(utf8.encode(part), 0, "shortest")?.text;
    let result = "";
    for (const { segment } of graphemes.segment(text)) {
      let found = known.get(segment);
      if (found === undefined) {
        found = utf8.encode(segment).length < 6 ? replaced(segment) : undefined;
        found ??= Array.from(segment, (char) => replaced(char) ?? char).join("");
        known.set(segment, found);
      }
      result += found;
    }
    return result;
  };
}

/** Where the children of a unit are, to be combined with their bytes. */
function offset(unit: number): number {
  return (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
}

/** The table of a field in base 64. */
export function charsmapOf(fields: Fields, key: string): Charsmap {
  const text = fields.text(key);
  try {
    return new Charsmap(Uint8Array.fromBase64(text));
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
    throw new TokenizerError("format", `${fields.path(key)} cannot be read: ${error.message}`);
  }
}
