/** Token ids must be those of the Python library; the text must come back. (Malformed files: hostile_test.ts.) */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { readSafetensors } from "../safetensors.ts";
import { loadTokenizer } from "./tokenizer.ts";
import { TokenizerError } from "./error.ts";

const tokenizer = await loadTokenizer("fixtures/models/llama");

Deno.test("the ids that the Python library gave for the start of the test text", async () => {
  const expected = (await readSafetensors("fixtures/expected/tokens.safetensors")).get("test")?.data;
  const text = await Deno.readTextFile("fixtures/corpora/sotu.test.txt");
  assert(expected instanceof Int32Array);
  assertEquals(tokenizer.encode(text.slice(0, 40_000)).slice(0, expected.length), expected);
});

Deno.test("what the checkpoint says about its tokens", () => {
  assertEquals([tokenizer.vocabularySize, tokenizer.bos, tokenizer.eos], [2048, 0, 1]);
  assert(tokenizer.chatTemplate?.includes("add_generation_prompt"));
});

Deno.test("the text comes back from its ids", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    const ids = tokenizer.encode(text);
    assertEquals(ids[0], tokenizer.bos);
    assertEquals(tokenizer.decode(ids.subarray(1)), text);
    assertEquals(tokenizer.encode(text, { addSpecialTokens: false }), ids.slice(1));
  }));
});

Deno.test("special tokens are recognised in text, kept by default and skipped on request", () => {
  const ids = tokenizer.encode("<|user|>Hi<|end|>", { addSpecialTokens: false });
  assertEquals([ids[0], ids.at(-1)], [3, 5]);
  assertEquals(tokenizer.decode(ids), "<|user|>Hi<|end|>");
  assertEquals(tokenizer.decode(ids, { skipSpecialTokens: true }), "Hi");
});

Deno.test("an empty text has no ids but the beginning, and no ids give no text", () => {
  assertEquals([...tokenizer.encode("")], [0]);
  assertEquals([...tokenizer.encode("", { addSpecialTokens: false })], []);
  assertEquals(tokenizer.decode([]), "");
});

Deno.test("ids outside the vocabulary, and what is not a text, are refused", () => {
  for (const id of [-1, 2048, 1.5, NaN]) {
    const error = assertThrows(() => tokenizer.decode([1, id]), TokenizerError, `id ${id}`);
    assertEquals(error.code, "token");
  }
  const encode: (text: never) => unknown = tokenizer.encode.bind(tokenizer);
  assertEquals(assertThrows(() => encode(7 as never), TokenizerError, "number").code, "text");
});

Deno.test("a missing tokenizer is a typed error", async () => {
  const error = await assertRejects(
    () => loadTokenizer("fixtures/corpora"),
    TokenizerError,
    "tokenizer.json",
  );
  assertEquals(error.code, "missing");
});
