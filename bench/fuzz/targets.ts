/** The readers of files from outside, each as a function of bytes, with the seeds that inputs are made of. */
import { parseClaims } from "../../eval/claims/files.ts";
import { parseConfig } from "../../model/checkpoint/read_config.ts";
import { architectureOf } from "../../model/families.ts";
import type { GgufFile } from "../../model/gguf/file.ts";
import { parseGgufHeader } from "../../model/gguf/header.ts";
import { ggufCheckpoint } from "../../model/gguf/checkpoint.ts";
import { ggufTokenizer } from "../../model/gguf/tokenizer.ts";
import { decodeGguf, littleEndian } from "../../model/gguf/types.ts";
import { decodeUtf8, isJsonObject, parseJson } from "../../base/json.ts";
import { headerLength, parseHeader } from "../../model/safetensors/header.ts";
import { engineTokenizer, tokenizerOf } from "../../model/tokenizer/tokenizer.ts";
import { SentencePiece } from "../../model/tokenizer/sentencepiece.ts";
import { readPieces } from "../../model/tokenizer/sentencepiece/pieces.ts";
import { renderChatSpans } from "../../model/tokenizer/chat.ts";
import { TokenizerError } from "../../model/tokenizer/error.ts";
import { parseNotebook } from "../../notebooks/lib/notebook/notebook.ts";
import { publishedSeeds, readPublished } from "./published.ts";

/** A reader. */
export interface Target {
  /** Folders of seeds under `fixtures/`. */
  readonly seeds: readonly string[];
  /** Seeds that are made of other files. */
  readonly made?: () => Promise<Uint8Array[]>;
  /** Reads an input: returns, or throws a typed error. */
  readonly read: (bytes: Uint8Array<ArrayBuffer>) => unknown;
}

/** No input makes a tensor larger than this worth decoding again. */
const decodedBytes = 1 << 16;

async function gguf(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const header = parseGgufHeader(bytes, bytes.length, "input");
  const file: GgufFile = {
    path: "input",
    paths: ["input"],
    byteLength: bytes.length,
    ...header,
    read(name, start = 0, count) {
      const entry = header.tensors.get(name);
      if (entry === undefined) throw new RangeError("unreachable: only known tensors are read");
      const { type, shape, offset, byteLength } = entry, stored = bytes.slice(offset, offset + byteLength);
      const values = decodeGguf(type, header.littleEndian ? stored : littleEndian(type, stored, name));
      const rows = shape[0] ?? 1, width = rows === 0 ? 0 : values.length / rows;
      return Promise.resolve(values.slice(start * width, (start + (count ?? rows - start)) * width));
    },
  };
  for (const [name, { byteLength }] of header.tensors) if (byteLength <= decodedBytes) await file.read(name);
  if (header.metadata.has("tokenizer.ggml.tokens")) ggufTokenizer(file).encode("Hello, 1862");
  if (!header.metadata.has("general.architecture")) return;
  const checkpoint = await ggufCheckpoint(file);
  architectureOf(checkpoint.config);
  for (const name of checkpoint.names()) {
    const elements = checkpoint.shape(name).reduce((product, size) => product * size, 1);
    if (elements <= decodedBytes) await checkpoint.tensor(name);
  }
}

function tokenizer(bytes: Uint8Array<ArrayBuffer>): void {
  let json: unknown;
  try {
    json = parseJson(decodeUtf8(bytes));
  } catch (error) {
    // As when a file is read.
    throw error instanceof SyntaxError ? new TokenizerError("json", error.message) : error;
  }
  if (!isJsonObject(json)) throw new TokenizerError("json", "input: expected an object");
  const made = tokenizerOf("input", json, {});
  made.decode(made.encode("hello hello 123"));
}

function pieces(bytes: Uint8Array<ArrayBuffer>): void {
  const made = engineTokenizer(new SentencePiece(readPieces(bytes, "input"), "input"), {});
  made.decode(made.encode("the  quick <s> é中🙂 12\n"));
}

/** A text that is no pattern is refused by the readers of files in their own way. */
function pattern(bytes: Uint8Array<ArrayBuffer>): void {
  const Regex = new TextDecoder().decode(bytes);
  const split = { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false };
  const model = { type: "WordLevel", vocab: { "?": 0 }, unk_token: "?" };
  tokenizerOf("input", { model, pre_tokenizer: split }, {}).encode("Don't 123 \r\n aaab é中🙂");
}

/** What a user says, and a call of a tool: most of what templates look at. */
const messages = [
  { role: "system", content: "Be brief.\n" },
  { role: "user", content: "Größe? 🙂" },
  { role: "assistant", content: "", tool_calls: [{ function: { name: "f", arguments: { x: [1, 2.5] } } }] },
  { role: "tool", content: "3", name: "f" },
];

function template(bytes: Uint8Array<ArrayBuffer>): void {
  const chatTemplate = new TextDecoder().decode(bytes);
  renderChatSpans({ chatTemplate, bosToken: "<s>" }, messages, { tools: [{ function: { name: "f" } }] });
}

/** All readers by name. */
export const targets: Readonly<Record<string, Target>> = {
  safetensors: {
    seeds: ["hostile/safetensors"],
    read(bytes) {
      const length = headerLength(bytes.subarray(0, 64), bytes.length, "input");
      return parseHeader(bytes.subarray(8, 8 + length), bytes.length - 8 - length, "input");
    },
  },
  gguf: { seeds: ["hostile/gguf", "gguf", "gguf/types", "gguf/seeds"], read: gguf },
  published: {
    seeds: [],
    made: publishedSeeds,
    read: (bytes) => readPublished(bytes, decodedBytes),
  },
  config: {
    seeds: ["hostile/config"],
    read: (bytes) => architectureOf(parseConfig(new TextDecoder().decode(bytes), "input")),
  },
  tokenizer: { seeds: ["hostile/tokenizer", "tokenizers/json"], read: tokenizer },
  pieces: { seeds: ["tokenizers/pieces"], read: pieces },
  pattern: { seeds: ["tokenizers/patterns"], read: pattern },
  template: { seeds: ["templates/seeds"], read: template },
  notebook: { seeds: ["hostile/ipynb"], read: (bytes) => parseNotebook(bytes, "input") },
  claims: { seeds: ["claims"], read: (bytes) => parseClaims("input", bytes) },
};
