/** Tokenizers of all forms that people have, with the files beside them. Right values: transformers 5.24, tokenizers 0.23 (field cases). */
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { loadModel } from "../load.ts";
import { TokenizerError } from "./error.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

const llama = "fixtures/models/llama";

/** A folder with some files: parsed JSON, or texts, or copies of fixtures (`{ copy: path }`). */
async function folder(files: Readonly<Record<string, unknown>>): Promise<string> {
  const directory = await Deno.makeTempDir();
  for (const [name, content] of Object.entries(files)) {
    const path = `${directory}/${name}`;
    if (typeof content === "object" && content !== null && "copy" in content) {
      await Deno.copyFile(`${content.copy}`, path);
    } else await Deno.writeTextFile(path, typeof content === "string" ? content : JSON.stringify(content));
  }
  return directory;
}

async function load(files: Readonly<Record<string, unknown>>): Promise<Tokenizer> {
  const directory = await folder(files);
  try {
    return await loadTokenizer(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A byte-pair vocabulary over single characters. */
function bpe(
  tokens: readonly string[],
  merges: readonly string[][] = [],
  rest: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...rest,
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
      unk_token: "<unk>",
    },
  };
}

Deno.test("F7: blanks before punctuation come back, whatever clean_up_tokenization_spaces says", async () => {
  const text = "x != y and a.b , c ? the word 'social' ...";
  for (
    const config of [{}, { clean_up_tokenization_spaces: true }, { clean_up_tokenization_spaces: false }]
  ) {
    const tokenizer = await load({
      "tokenizer.json": { copy: `${llama}/tokenizer.json` },
      "tokenizer_config.json": config,
    });
    assertEquals(tokenizer.decode(tokenizer.encode(text, { addSpecialTokens: false })), text);
  }
  // A vocabulary of words is cleaned up where it is asked for.
  const words = { type: "WordLevel", unk_token: "<unk>", vocab: { "<unk>": 0, a: 1, ".": 2, do: 3, not: 4 } };
  for (const [clean, expected] of [[true, "a. do not"], [false, "a . do not"]] as const) {
    const tokenizer = await load({
      "tokenizer.json": { model: words, pre_tokenizer: { type: "WhitespaceSplit" } },
      "tokenizer_config.json": { clean_up_tokenization_spaces: clean },
    });
    assertEquals(tokenizer.decode([1, 2, 3, 4]), expected);
  }
});

Deno.test("F8: Metaspace cuts before every blank, single words are not found inside words", async () => {
  const tokens = ["<unk>", "▁", "a", "b", "▁▁", "▁a"], merges = [["▁", "▁"], ["▁", "a"]];
  const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "never", split: true };
  const cut = await load({ "tokenizer.json": bpe(tokens, merges, { pre_tokenizer: metaspace }) });
  assertEquals([...cut.encode("a   a")], [2, 1, 1, 5]);
  const flags = { lstrip: false, rstrip: false, normalized: false, special: false };
  const word = { id: 6, content: "ab", single_word: true, ...flags };
  const single = await load({ "tokenizer.json": bpe(tokens, merges, { added_tokens: [word] }) });
  assertEquals([...single.encode("bab ab")], [3, 2, 3, 0, 6]);
});

Deno.test("F15: BLOOM's pattern and possessive repeats are read; a tokenizer that cannot be does not keep a model from ids", async () => {
  const split = (Regex: string) => ({
    type: "Split",
    pattern: { Regex },
    behavior: "Isolated",
    invert: false,
  });
  const patterns = [
    " ?[^(\\s|[.,!?…。，、।۔،])]+",
    "[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s+(?!\\S)|\\s",
  ];
  for (const pattern of patterns) {
    const tokenizer = await load({
      "tokenizer.json": bpe(["<unk>", "a", "b", "c"], [], { pre_tokenizer: split(pattern) }),
    });
    assertEquals([...tokenizer.encode("abc")], [1, 2, 3]);
  }
  const directory = await folder({
    "tokenizer.json": bpe(["<unk>"], [], { pre_tokenizer: split("\\X") }),
    "config.json": { copy: "fixtures/families/bloom/config.json" },
    "model.safetensors": { copy: "fixtures/families/bloom/model.safetensors" },
  });
  try {
    using model = await loadModel(directory);
    const logits = await model.logits(Int32Array.of(1, 2, 3));
    assert(logits.length > 0);
    const error = assertThrows(() => model.tokenizer.encode("a"), TokenizerError, "X is unknown");
    assertEquals(error.code, "unsupported");
    assertEquals(model.notices.length, 1);
    assertStringIncludes(model.notices[0], "takes token ids only");
    await assertRejects(() => loadModel(directory, { strict: true }));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("F14: bos and eos from special_tokens_map.json, which goes first unless the configuration lists added tokens", async () => {
  const files = {
    "tokenizer.json": { copy: `${llama}/tokenizer.json` },
    "special_tokens_map.json": { copy: `${llama}/special_tokens_map.json` },
  };
  const old = await load({ ...files, "tokenizer_config.json": { model_max_length: 1024 } });
  assertEquals([old.bos, old.eos], [0, 1]);
  const other = { bos_token: "<|user|>", eos_token: null };
  const first = await load({ ...files, "tokenizer_config.json": other });
  assertEquals([first.bos, first.eos], [0, 1]);
  const newer = await load({ ...files, "tokenizer_config.json": { ...other, added_tokens_decoder: {} } });
  assertEquals([newer.bos, newer.eos], [newer.encode("<|user|>", { addSpecialTokens: false })[0], undefined]);
});

Deno.test("F30: vocab.json with merges.txt is the tokenizer.json of the same vocabulary", async () => {
  const from = "fixtures/models/opt";
  const { model: { vocab, merges } } = JSON.parse(await Deno.readTextFile(`${from}/tokenizer.json`));
  const lines = merges.map((merge: string | string[]) => [merge].flat().join(" "));
  for (const end of ["\n", "\r\n"]) {
    const tokenizer = await load({
      "vocab.json": vocab,
      "merges.txt": ["#version: 0.2", ...lines, ""].join(end),
      "tokenizer_config.json": { copy: `${from}/tokenizer_config.json` },
      "config.json": { model_type: "opt" },
    });
    const whole = await loadTokenizer(from), text = "Fellow-Citizens, it's 1862:\n  the Senate  ";
    const options = { addSpecialTokens: false };
    assertEquals(tokenizer.encode(text, options), whole.encode(text, options));
    assertEquals(tokenizer.decode(tokenizer.encode(text, options)), text);
  }
  const error = await assertRejects(
    () => load({ "vocab.json": {}, "merges.txt": "", "config.json": { model_type: "clip" } }),
    TokenizerError,
    "clip",
  );
  assertEquals(error.code, "unsupported");
});

Deno.test("add_bos_token and add_eos_token say what stands around a text, unless tokenizer.json says it", async () => {
  const vocabulary = { "<s>": 0, "</s>": 1, a: 2 };
  const config = { tokenizer_class: "GPT2Tokenizer", bos_token: "<s>", eos_token: "</s>" };
  for (
    const [bos, eos, expected] of [[true, false, [0, 2]], [false, true, [2, 1]], [true, true, [
      0,
      2,
      1,
    ]]] as const
  ) {
    const tokenizer = await load({
      "vocab.json": vocabulary,
      "merges.txt": "",
      "tokenizer_config.json": { ...config, add_bos_token: bos, add_eos_token: eos },
    });
    assertEquals(tokenizer.encode("a"), Int32Array.from(expected));
    assertEquals([...tokenizer.encode("a", { addSpecialTokens: false })], [2]);
  }
  const whole = await load({
    "tokenizer.json": bpe(["<unk>", "<s>", "a"]),
    "tokenizer_config.json": { bos_token: "<s>", add_bos_token: true },
  });
  assertEquals([...whole.encode("a")], [2]);
  assert(whole.notices?.some((one) => one.includes("add_bos_token")));
});

Deno.test("what is not used is told, what changes ids and cannot be used is refused", async () => {
  const json = bpe(["<unk>", "a"]);
  const told = await load({
    "tokenizer.json": {
      ...json,
      truncation: { max_length: 2 },
      padding: { length: 9 },
      decoder: { type: "Fuse", odd: 1 },
    },
    "tokenizer_config.json": { model_max_length: 2, strange: 1 },
  });
  const notices = told.notices?.join("\n") ?? "";
  for (const name of ["truncation", "padding", "odd", "strange"]) assertStringIncludes(notices, name);
  assertEquals(told.notices?.length, 4);
  assertEquals([...told.encode("aaaa")], [1, 1, 1, 1]);
  const refused: [Record<string, unknown>, string][] = [
    [{ "tokenizer.json": { ...json, model: { ...json.model as object, dropout: 0.1 } } }, "dropout"],
    [{ "tokenizer.json": { ...json, pre_tokenizer: { type: "UnicodeScripts" } } }, "UnicodeScripts"],
    [
      { "tokenizer.json": json, "tokenizer_config.json": { split_special_tokens: true } },
      "split_special_tokens",
    ],
    [{
      "tokenizer.json": { ...json, normalizer: { type: "Replace", pattern: { Regex: "\\X" }, content: "" } },
    }, "\\\\X"],
  ];
  for (const [files, name] of refused) await assertRejects(() => load(files), TokenizerError, name);
});

Deno.test("files of other forms are named, with what turns them into one that is read", async () => {
  for (const name of ["vocab.txt", "tekken.json", "spiece.model"]) {
    const error = await assertRejects(() => load({ [name]: "" }), TokenizerError, name);
    assertEquals(error.code, "missing");
    assertStringIncludes(error.message, "save_pretrained");
  }
});
