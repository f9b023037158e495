/** A SentencePiece vocabulary, and its file (`tokenizer.model`): a protocol buffer (sentencepiece_model.proto). */
import { readFields } from "../../../base/protobuf.ts";
import { show } from "../../../base/show.ts";
import { Charsmap } from "../charsmap.ts";
import { TokenizerError } from "../error.ts";

/** What a piece is for. */
export type PieceKind = "normal" | "unknown" | "control" | "user" | "unused" | "byte";

/** One piece. */
export interface VocabularyPiece {
  /** Its text; blanks are `▁`. */
  readonly text: string;
  /** Higher ones are preferred. */
  readonly score: number;
  /** What it is for. */
  readonly kind: PieceKind;
}

/** What is done to a text. */
export interface NormalizerSpec {
  /** Replacements. */
  readonly charsmap?: Charsmap;
  /** A blank is put before the text, or with `blankLast` after it. */
  readonly addBlank: boolean;
  readonly blankLast: boolean;
  /** Blanks at the ends go, several are one. */
  readonly removeBlanks: boolean;
  /** Blanks are written `▁`. */
  readonly markBlanks: boolean;
}

/** A vocabulary with what is done to texts before and after. */
export interface Pieces extends NormalizerSpec {
  /** How a text is cut: pairs joined by score, or the likeliest way. */
  readonly model: "bpe" | "unigram";
  /** By id. */
  readonly pieces: readonly VocabularyPiece[];
  /** Characters that no piece has are pieces of their bytes. */
  readonly byteFallback: boolean;
  /** What is done to a text that was decoded. */
  readonly denormalizer?: NormalizerSpec;
  /** What an unknown piece decodes to. */
  readonly unknownText: string;
  /** Ids of the tokens that begin and end a text. */
  readonly bos?: number;
  readonly eos?: number;
}

const kinds: readonly PieceKind[] = ["normal", "normal", "unknown", "control", "user", "unused", "byte"];
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/**
 * Reads a `tokenizer.model`.
 *
 * @throws {TokenizerError} `format` or `unsupported`, naming `file` and the field
 */
export function readPieces(bytes: Uint8Array, file: string): Pieces {
  try {
    return parse(bytes, file);
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    throw new TokenizerError("format", `${file}: no SentencePiece model: ${error.message}`, { cause: error });
  }
}

/** The last value of each field of a message. */
class Message {
  readonly #values = new Map<number, bigint | number | Uint8Array>();

  constructor(bytes: Uint8Array) {
    for (const { field, value } of readFields(bytes)) if (value !== undefined) this.#values.set(field, value);
  }

  integer(field: number, fallback: number): number {
    const value = this.#values.get(field) ?? BigInt(fallback);
    if (typeof value !== "bigint") throw new RangeError(`field ${field} is no integer`);
    return Number(BigInt.asIntN(64, value));
  }

  flag(field: number, fallback: boolean): boolean {
    return this.integer(field, fallback ? 1 : 0) !== 0;
  }

  float(field: number): number {
    const value = this.#values.get(field) ?? 0;
    if (typeof value !== "number" || !Number.isFinite(value)) {
      throw new RangeError(`field ${field} is ${value}`);
    }
    return value;
  }

  bytes(field: number): Uint8Array | undefined {
    const value = this.#values.get(field);
    if (value !== undefined && !(value instanceof Uint8Array)) {
      throw new RangeError(`field ${field} is no bytes`);
    }
    return value;
  }

  text(field: number, fallback: string): string {
    const value = this.bytes(field);
    return value ? utf8.decode(value) : fallback;
  }

  message(field: number): Message {
    return new Message(this.bytes(field) ?? new Uint8Array());
  }
}

function parse(bytes: Uint8Array, file: string): Pieces {
  const pieces: VocabularyPiece[] = [];
  for (const { field, value } of readFields(bytes)) {
    if (field !== 1) continue;
    if (!(value instanceof Uint8Array)) throw new RangeError("a piece is no message");
    const piece = new Message(value), kind = kinds[piece.integer(3, 1)];
    if (kind === undefined) {
      throw new RangeError(`piece ${pieces.length} is of the unknown type ${piece.integer(3, 1)}`);
    }
    pieces.push({ text: piece.text(1, ""), score: piece.float(2), kind });
  }
  const whole = new Message(bytes), trainer = whole.message(2);
  const type = trainer.integer(3, 1);
  if (type !== 1 && type !== 2) {
    throw new TokenizerError(
      "unsupported",
      `${file}: trainer_spec.model_type is ${
        ["", "", "", "WORD", "CHAR"][type] ?? type
      }: expected UNIGRAM or BPE`,
    );
  }
  const spec = (message: Message, blankLast: boolean): NormalizerSpec => {
    const table = message.bytes(2);
    return {
      charsmap: table && table.length > 0 ? new Charsmap(table) : undefined,
      addBlank: message.flag(3, true),
      blankLast,
      removeBlanks: message.flag(4, true),
      markBlanks: message.flag(5, true),
    };
  };
  const denormalizer = spec(whole.message(5), false);
  const id = (field: number, fallback: number): number | undefined => {
    const value = trainer.integer(field, fallback);
    return value >= 0 && value < pieces.length ? value : undefined;
  };
  const read: Pieces = {
    model: type === 1 ? "unigram" : "bpe",
    pieces,
    byteFallback: trainer.flag(35, false),
    ...spec(whole.message(3), trainer.flag(24, false)),
    denormalizer: denormalizer.charsmap ? denormalizer : undefined,
    unknownText: trainer.text(44, " \u2047 "),
    bos: id(41, 1),
    eos: id(42, 2),
  };
  checkPieces(read, file);
  return read;
}

/** As the original checks them: each piece once, one unknown piece, all bytes or none. */
export function checkPieces({ pieces, byteFallback }: Pieces, file: string): void {
  const fail = (reason: string): never => {
    throw new TokenizerError("format", `${file}: ${reason}`);
  };
  const seen = new Set<string>(), bytes = new Set<string>();
  let unknown = 0;
  for (const [id, { text, kind }] of pieces.entries()) {
    if (text === "" || text.includes("\0") || text.length >= 8000) fail(`piece ${id} is ${show(text)}`);
    // Control pieces and the like are looked up apart.
    const key = kind === "control" || kind === "unknown" || kind === "byte" ? `\0${text}` : text;
    if (seen.has(key)) fail(`piece ${id}, ${show(text)}, is there twice`);
    seen.add(key);
    if (kind === "unknown" && ++unknown > 1) fail(`piece ${id}, ${show(text)}, is a second unknown piece`);
    if (kind !== "byte") continue;
    if (!byteFallback || !/^<0x[0-9A-F]{2}>$/.test(text)) fail(`piece ${id}, ${show(text)}, is no byte`);
    bytes.add(text);
  }
  if (unknown === 0 && !byteFallback) fail("no piece is the unknown one");
  if (byteFallback && bytes.size !== 256) fail(`${bytes.size} of 256 bytes are pieces`);
}
