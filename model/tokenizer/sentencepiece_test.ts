/**
 * SentencePiece vocabularies: files that are wrong are refused, blanks and bytes come back. The ids are those of sentencepiece 0.2.3
 * for the same bytes (more of them:
 * bench/differential/vocabularies_test.ts).
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { concat, integer, message, text } from "../../base/protobuf.ts";
import { TokenizerError } from "./error.ts";
import { SentencePiece } from "./sentencepiece.ts";
import { readPieces } from "./sentencepiece/pieces.ts";
import { engineTokenizer, loadTokenizer, type Tokenizer } from "./tokenizer.ts";

const kinds = { normal: 1, unknown: 2, control: 3, user: 4, unused: 5, byte: 6 };
type Kind = keyof typeof kinds;

/** Fields of sentencepiece_model.proto: pieces, model type, byte fallback, and what is done to blanks. */
function modelFile(
  pieces: readonly (readonly [piece: string, kind: Kind])[],
  { type = 2, bytes = false, addBlank = true, removeBlanks = true } = {},
): Uint8Array<ArrayBuffer> {
  return concat([
    ...pieces.map(([piece, kind]) => message(1, text(1, piece), integer(3, kinds[kind]))),
    message(2, integer(3, type), integer(35, bytes ? 1 : 0)),
    message(3, integer(3, addBlank ? 1 : 0), integer(4, removeBlanks ? 1 : 0)),
  ]);
}

function open(file: Uint8Array<ArrayBuffer>): Tokenizer {
  return engineTokenizer(new SentencePiece(readPieces(file, "tokenizer.model"), "tokenizer.model"), {});
}

const base: readonly (readonly [string, Kind])[] = [["<unk>", "unknown"], ["<s>", "control"], [
  "</s>",
  "control",
]];
const letters = ["▁", "a", "b", "▁a", "ab"].map((piece) => [piece, "normal"] as const);

Deno.test("blanks: one before the text, one of several, or all of them as they are", () => {
  const text = "  ab   a ";
  const tidy = open(modelFile([...base, ...letters]));
  assertEquals(tidy.decode(tidy.encode(text)), "ab a");
  const asIs = open(modelFile([...base, ...letters], { removeBlanks: false }));
  assertEquals(asIs.decode(asIs.encode(text)), text);
  const bare = open(modelFile([...base, ...letters], { addBlank: false, removeBlanks: false }));
  assertEquals([...bare.encode("ab")], [7]);
  assertEquals(bare.decode(bare.encode(text)), text);
});

Deno.test("what no piece has is unknown, or its bytes, which come back as text", () => {
  const unknown = open(modelFile([...base, ...letters]));
  assertEquals([...unknown.encode("aéé")], [6, 0]);
  assertEquals(unknown.decode([6, 0]), "a ⁇ ");
  const byte = (code: number) => [`<0x${code.toString(16).toUpperCase().padStart(2, "0")}>`, "byte"] as const;
  const bytes = open(
    modelFile([...base, ...letters, ...Array.from({ length: 256 }, (_, i) => byte(i))], { bytes: true }),
  );
  assertEquals([...bytes.encode("é")], [3, 8 + 0xc3, 8 + 0xa9]);
  assertEquals(bytes.decode(bytes.encode("aé🙂\n")), "aé🙂\n");
  // Half a character.
  assertEquals(bytes.decode([8 + 0xc3, 4]), "\ufffda");
});

Deno.test("symbols of a user stay whole, control pieces are found in texts and skipped on request", () => {
  const tokenizer = open(modelFile([...base, ...letters, ["ba", "user"]]));
  assertEquals([...tokenizer.encode("abab")], [6, 8, 5]);
  assertEquals([...tokenizer.encode("a</s>")], [6, 2]);
  assertEquals(tokenizer.decode([6, 2]), "a</s>");
  assertEquals(tokenizer.decode([6, 2], { skipSpecialTokens: true }), "a");
});

Deno.test("a tokenizer.model alone is a tokenizer; its own names and the configuration say what is around a text", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${directory}/tokenizer.model`, modelFile([...base, ...letters]));
    const plain = await loadTokenizer(directory);
    assertEquals([plain.bos, plain.eos, plain.bosToken], [1, 2, "<s>"]);
    assertEquals([...plain.encode("ab")], [6, 5]);
    const config = { add_bos_token: true, add_eos_token: true, eos_token: "<end>" };
    await Deno.writeTextFile(`${directory}/tokenizer_config.json`, JSON.stringify(config));
    const around = await loadTokenizer(`${directory}/tokenizer.model`);
    // A name that the vocabulary lacks is a token of its own, behind the others.
    assertEquals([...around.encode("ab")], [1, 6, 5, 8]);
    await Deno.writeFile(`${directory}/tokenizer.model`, new Uint8Array([1, 2, 3]));
    await assertRejects(() => loadTokenizer(directory), TokenizerError, "tokenizer.model");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("files that contradict themselves are refused", () => {
  const whole = modelFile([...base, ...letters]);
  const wrong: [Uint8Array<ArrayBuffer>, string][] = [
    [whole.slice(0, -1), "no SentencePiece model"],
    [modelFile(letters), "unknown"],
    [modelFile([...base, ...letters, ["a", "normal"]]), '"a", is there twice'],
    [modelFile([...base, ["?", "unknown"]]), "second unknown"],
    [modelFile([...base, ["<0x0A>", "byte"]]), "no byte"],
    [modelFile([...base, ["<0x0A>", "byte"]], { bytes: true }), "1 of 256"],
    [modelFile([...base, ["", "normal"]]), "piece 3"],
    [modelFile(base, { type: 4 }), "CHAR"],
    [concat([whole, message(1, text(1, "x"), integer(3, 9))]), "unknown type 9"],
  ];
  for (const [file, reason] of wrong) assertThrows(() => open(file), TokenizerError, reason);
});
