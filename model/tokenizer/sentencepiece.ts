/**
 * SentencePiece (Kudo and Richardson 2018, https://arxiv.org/abs/1808.06226) without its library: a vocabulary of a
 * `tokenizer.model` or of a GGUF file, run. `sentencepiece` 0.2.3 is the judge; control pieces are found in texts as well, as
 * transformers finds them.
 */
import { AddedTokens } from "./added.ts";
import type { AddedToken } from "./added.ts";
import { around, type Engine } from "./engine.ts";
import { byteToken } from "./models/model.ts";
import { byPairs, byScores, type Cut, textPieces } from "./sentencepiece/cut.ts";
import { normalized, Prefixes } from "./sentencepiece/normalizer.ts";
import { checkPieces, type Pieces } from "./sentencepiece/pieces.ts";
import { alone, type Template } from "./steps/post_processors.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** So many texts between blanks are remembered. */
const keptWords = 100_000;

/** A SentencePiece vocabulary, run. */
export class SentencePiece implements Engine {
  template: Template = alone;
  readonly added: AddedTokens;
  readonly isBpe: boolean;
  readonly #spec: Pieces;
  readonly #symbols: Prefixes;
  readonly #cut: Cut;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #unknown: number | undefined;
  /** Whether no piece has a blank after anything else: then joins never reach over the start of a word. */
  readonly #wordsApart: boolean;
  readonly #known = new Map<string, readonly number[]>();

  /**
   * @param file named in messages
   * @throws {TokenizerError} `format` where the vocabulary contradicts itself
   */
  constructor(spec: Pieces, file: string) {
    checkPieces(spec, file);
    const { pieces, model } = this.#spec = spec;
    this.isBpe = model === "bpe";
    this.#symbols = new Prefixes(pieces.filter(({ kind }) => kind === "user").map(({ text }) => text));
    this.#cut = model === "bpe" ? byPairs(pieces) : byScores(pieces);
    const ids = new Map(textPieces(pieces));
    for (const [id, { text, kind }] of pieces.entries()) {
      if (kind === "control" || kind === "unknown" || kind === "byte") ids.set(text, id);
    }
    this.#ids = ids;
    const unknown = pieces.findIndex(({ kind }) => kind === "unknown");
    this.#unknown = unknown < 0 ? undefined : unknown;
    this.#wordsApart = model === "bpe" && !pieces.some(({ text }) => /[^▁]▁/.test(text));
    this.added = new AddedTokens({ size: pieces.length, idOf: (text) => ids.get(text) });
    this.added.add(pieces.filter(({ kind }) => kind === "control").map(({ text }) => controlToken(text)));
  }

  /** Tokens that the vocabulary itself has names for: `bos_token`. */
  get names(): Readonly<Record<string, string>> {
    const { pieces, bos, eos } = this.#spec;
    const names = [["bos_token", bos], ["eos_token", eos], ["unk_token", this.#unknown]] as const;
    return Object.fromEntries(
      names.flatMap(([name, id]) => id === undefined ? [] : [[name, pieces[id].text]]),
    );
  }

  get largestId(): number {
    let largest = this.#spec.pieces.length - 1;
    for (const id of this.added.ids()) largest = Math.max(largest, id);
    return largest;
  }

  idOf(token: string): number | undefined {
    return this.added.idOf(token) ?? this.#ids.get(token);
  }

  encode(text: string, addSpecialTokens: boolean): Int32Array<ArrayBuffer> {
    return around(this.template, addSpecialTokens, (ids) => {
      for (const part of this.added.split(text.toWellFormed())) {
        if (typeof part === "number") ids.push(part);
        else this.#encodeText(part.text, ids);
      }
    });
  }

  #encodeText(text: string, ids: number[]): void {
    const plain = normalized(text, this.#spec, this.#symbols);
    let isAfterUnknown = false;
    const add = (list: readonly number[]) => {
      for (const id of list) {
        // A run of unknown pieces is one.
        if (id === this.#unknown && isAfterUnknown) continue;
        ids.push(id);
        isAfterUnknown = id === this.#unknown;
      }
    };
    if (!this.#wordsApart) return add(this.#encodePart(plain));
    for (const word of plain.split(/(?<=[^▁])(?=▁)/)) {
      let known = this.#known.get(word);
      if (!known) {
        known = this.#encodePart(word);
        if (this.#known.size < keptWords) this.#known.set(word, known);
      }
      add(known);
    }
  }

  #encodePart(text: string): number[] {
    return this.#cut(text).flatMap(({ text: piece, id }) => {
      if (id >= 0) return id;
      const bytes = this.#spec.byteFallback
        ? Array.from(encoder.encode(piece), (byte) => this.#ids.get(byteToken(byte)))
        : [this.#unknown];
      return bytes.filter((byte) => byte !== undefined);
    });
  }

  decode(ids: readonly number[], skipSpecialTokens: boolean): string {
    const { pieces, addBlank, removeBlanks, unknownText, denormalizer } = this.#spec;
    const bytes: number[] = [];
    let text = "", isAtStart = true, wasBlank = false;
    const flush = () => {
      if (bytes.length > 0) text += decodeBytes(Uint8Array.from(bytes));
      bytes.length = 0;
    };
    for (const id of ids) {
      const kind = pieces[id]?.kind;
      if (kind === "byte") {
        bytes.push(parseInt(pieces[id].text.slice(3, 5), 16));
        continue;
      }
      flush();
      if (wasBlank || text !== "") isAtStart = false;
      wasBlank = false;
      const special = this.added.textOf(id);
      if (kind === undefined || kind === "control" || special !== undefined) {
        if (special !== undefined && !(skipSpecialTokens && this.added.isSpecial(special))) text += special;
        continue;
      }
      if (kind === "unknown") {
        text += unknownText;
        continue;
      }
      let piece = pieces[id].text;
      if (isAtStart && (addBlank || removeBlanks) && piece.startsWith("▁")) {
        piece = piece.slice(1);
        wasBlank = !removeBlanks;
      }
      text += piece.replaceAll("▁", " ");
    }
    flush();
    return denormalizer ? normalized(text, denormalizer, new Prefixes([])) : text;
  }
}

/** A control piece as an added token. */
function controlToken(content: string): AddedToken {
  return { content, singleWord: false, left: false, right: false, normalized: false, special: true };
}

/** Bytes as text; each byte that belongs to no character is a replacement character. */
function decodeBytes(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at], size = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    try {
      text += decoder.decode(bytes.subarray(at, at + size));
      at += size;
    } catch {
      text += "\ufffd";
      at++;
    }
  }
  return text;
}
