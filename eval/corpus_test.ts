/** Windows must be those that the oracle measured, token for token. */
import { assertEquals, assertRejects } from "@std/assert";
import { readSafetensors } from "../model/safetensors.ts";
import { loadTokenizer, type Tokenizer, tokenizerOf } from "../model/tokenizer/tokenizer.ts";
import { corpus, type CorpusOptions, windowsHash } from "./corpus.ts";
import { CorpusError } from "./windows.ts";

async function golden(name: string): Promise<Int32Array[]> {
  const tensors = await readSafetensors(new URL("../fixtures/expected/tokens.safetensors", import.meta.url));
  const { data, shape } = tensors.get(name) ?? {};
  if (!(data instanceof Int32Array) || !shape) throw new Error(`no int32 tensor ${name}`);
  return Array.from({ length: shape[0] }, (_, i) => data.slice(i * shape[1], (i + 1) * shape[1]));
}

Deno.test("the test windows of the oracle", async () => {
  const windows = await corpus("sotu", { split: "test", windows: 16, length: 512 });
  assertEquals(Array.from(windows), await golden("test"));
  assertEquals(windows[0][0], 0, "one beginning-of-text token at the start");
});

Deno.test("the long windows of the oracle follow its test windows", async () => {
  const windows = await corpus("sotu", { split: "test", windows: 4, length: 2048, skip: 16 * 512 });
  assertEquals(Array.from(windows), await golden("long"));
});

Deno.test("the calibration windows of the oracle, drawn by Python's random", async () => {
  const windows = await corpus("calibration", { split: "train", windows: 32, length: 512, seed: 0 });
  assertEquals(Array.from(windows), await golden("calib"));
});

Deno.test("windows say where they come from and hash their ids", async () => {
  const a = await corpus("moby", { windows: 3, length: 32, seed: 1 });
  const b = await corpus("moby", { windows: 3, length: 32, seed: 2 });
  assertEquals(a.description, "moby test, 3 x 32 tokens, seed 1");
  assertEquals(a.sha256, windowsHash(a.map((ids) => ids.slice())));
  assertEquals(a.sha256 === b.sha256, false);
});

Deno.test("without a count, all windows that fit", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/text.txt`, "The pass key is 47. ".repeat(50));
    const all = await corpus(`${folder}/text.txt`, { length: 100 });
    const tokens = await corpus(`${folder}/text.txt`, { length: 1 });
    assertEquals(all.length, Math.floor(tokens.length / 100));
    await assertRejects(
      () => corpus(`${folder}/text.txt`, { length: 100, windows: all.length + 1 }),
      CorpusError,
      `give ${all.length}`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("each mistake has its code", async () => {
  const folder = await Deno.makeTempDir();
  const file = (name: string) => `${folder}/${name}`;
  await Deno.writeTextFile(file("empty.txt"), "");
  await Deno.writeTextFile(file("blank.txt"), " \n\t\n");
  await Deno.writeTextFile(file("short.txt"), "one two");
  await Deno.writeFile(file("latin.txt"), Uint8Array.of(0x63, 0x61, 0x66, 0xe9));
  const cases: [code: string, name: string, options: CorpusOptions][] = [
    ["missing", file("absent.txt"), { length: 8 }],
    ["empty", file("empty.txt"), { length: 8 }],
    ["empty", file("blank.txt"), { length: 8 }],
    ["length", file("short.txt"), { length: 512 }],
    ["length", file("short.txt"), { length: 512, windows: 1, seed: 0 }],
    ["encoding", file("latin.txt"), { length: 8 }],
    ["name", "wikitext", { length: 8 }],
    ["name", "__proto__", { length: 8 }],
    ["length", "sotu", { length: 0 }],
    ["length", "sotu", { length: 8.5 }],
    ["length", "sotu", { length: NaN }],
    ["length", "sotu", { length: 10_000_000, windows: 1 }],
    ["option", "sotu", { length: 8, windows: 0 }],
    ["option", "sotu", { length: 8, windows: 1, seed: -1 }],
    ["option", "sotu", { length: 8, seed: 1 }],
    ["split", "calibration", { length: 8, split: "test" }],
    ["split", "sotu", JSON.parse('{ "length": 8, "split": "validation" }')],
  ];
  try {
    for (const [code, name, options] of cases) {
      const error = await assertRejects(() => corpus(name, options), CorpusError);
      assertEquals(error.code, code, `${name} ${JSON.stringify(options)}: ${error.message}`);
    }
    const unknown = await assertRejects(() => corpus("wikitext", { length: 8 }), CorpusError);
    assertEquals(
      ["sotu", "moby", "calibration"].every((name) => unknown.message.includes(`"${name}"`)),
      true,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("line ends are read as Python's open() reads them", async () => {
  const directory = await Deno.makeTempDir();
  const ids = async (name: string, text: string) => {
    await Deno.writeTextFile(`${directory}/${name}.txt`, text);
    return [...await corpus(`${directory}/${name}.txt`, { length: 8 })];
  };
  try {
    const text = "One line\n\nand another,\nand a third.\n\n\nThe end of it all\n";
    const plain = await ids("lf", text);
    assertEquals(await ids("crlf", text.replaceAll("\n", "\r\n")), plain);
    assertEquals(await ids("cr", text.replaceAll("\n", "\r")), plain);
    // The mark is of the file, not of the text, as with Python's utf-8-sig.
    assertEquals(await ids("bom", `\ufeff${text}`), plain);
    await Deno.writeFile(`${directory}/latin.txt`, Uint8Array.of(0x63, 0x61, 0x66, 0xe9));
    const error = await assertRejects(() => corpus(`${directory}/latin.txt`, { length: 8 }), CorpusError);
    assertEquals(error.code, "encoding");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a beginning stands in the text, in every window, or nowhere; Gemma's in every window", async () => {
  const tokenizer = await loadTokenizer("fixtures/models/llama"), [bos] = tokenizer.encode("");
  const cut = (options: Partial<CorpusOptions>) =>
    corpus("sotu", { windows: 3, length: 8, tokenizer, ...options });
  const stream = (await cut({ bos: "none" })).flatMap((ids) => [...ids]);
  assertEquals(stream.includes(bos), false);
  assertEquals((await cut({ bos: "text" })).flatMap((ids) => [...ids]), [bos, ...stream.slice(0, 23)]);
  const windows = await cut({ bos: "window" });
  assertEquals(windows.map(([first]) => first), [bos, bos, bos]);
  assertEquals(windows.flatMap((ids) => [...ids.slice(1)]), stream.slice(0, 21));
  assertEquals(windows.description, "sotu test, 3 x 8 tokens, beginning with <s>");
  const drawn = await cut({ bos: "window", seed: 1 });
  assertEquals(drawn.map((ids) => [ids.length, ids[0]]), [[8, bos], [8, bos], [8, bos]]);
  const gemma: Tokenizer = {
    vocabularySize: tokenizer.vocabularySize,
    beginsEverySequence: true,
    encode: (text, options) => tokenizer.encode(text, options),
    decode: (ids, options) => tokenizer.decode(ids, options),
  };
  assertEquals((await cut({ tokenizer: gemma }))[1], windows[1]);
  const classed = (name: string) => tokenizerOf("tokenizer.json", json, { tokenizer_class: name });
  const json = JSON.parse(await Deno.readTextFile("fixtures/models/llama/tokenizer.json"));
  const begins = ["GemmaTokenizer", "GemmaTokenizerFast", "LlamaTokenizer", "Qwen2Tokenizer"];
  assertEquals(begins.map((name) => classed(name).beginsEverySequence), [true, true, false, false]);
  const none: Tokenizer = { ...gemma, encode: (text) => tokenizer.encode(text, { addSpecialTokens: false }) };
  await assertRejects(() => cut({ tokenizer: none, bos: "window" }), CorpusError, "no token before a text");
});
