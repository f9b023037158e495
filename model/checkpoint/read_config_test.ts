/** Configurations: what is read is checked, and every error names the key. (Malformed files: hostile_test.ts.) */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CheckpointError } from "../files/error.ts";
import { ModelConfig } from "./config.ts";
import { parseConfig, readConfig } from "./read_config.ts";

Deno.test("a directory and a file give the same configuration", async () => {
  const folder = await readConfig("fixtures/models/opt");
  const file = await readConfig("fixtures/models/opt/config.json");
  assertEquals(folder.values, file.values);
  assertEquals(file.integer("ffn_dim"), 768);
  assertEquals(file.string("activation_function"), "relu");
  assertEquals(file.boolean("do_layer_norm_before"), true);
});

Deno.test("a missing configuration is a typed error", async () => {
  for (const path of ["fixtures/models", "fixtures/models/none", "fixtures/models/none.json"]) {
    const error = await assertRejects(() => readConfig(path), CheckpointError, "no such file");
    assertEquals(error.code, "missing");
  }
});

Deno.test("accessors name the key, the value and what is accepted", () => {
  const config = new ModelConfig("x.json", {
    n: 2.5,
    s: "a",
    t: "true",
    big: 11,
    none: null,
    o: [],
    inner: { f: -1 },
  });
  const fails: [run: () => unknown, message: string][] = [
    [() => config.integer("n"), "x.json: n must be an integer from 1, got 2.5"],
    [() => config.integer("absent"), "absent must be a finite number from 1 to Infinity, it is missing"],
    [() => config.number("big", { max: 10 }), "big must be a finite number from -Infinity to 10, got 11"],
    [() => config.number("s"), 's must be a finite number, got "a"'],
    [() => config.boolean("t"), 't must be true or false, got "true"'],
    [() => config.string("s", { accepted: ["b", "c"] }), 's must be "b" or "c", got "a"'],
    [() => config.string("constructor"), "constructor must be a string, it is missing"],
    [() => config.list("s"), "s must be a list"],
    [() => config.section("o"), "o must be an object, got []"],
    [
      () => config.section("inner")?.number("f", { min: 0 }),
      "x.json: inner: f must be a finite number from 0",
    ],
  ];
  for (const [run, message] of fails) {
    assertEquals(assertThrows(run, CheckpointError, message).code, "config");
  }
});

Deno.test("null counts as absent where there is a fallback", () => {
  const config = new ModelConfig("x.json", { head_dim: null, scaling: null });
  assertEquals(config.integer("head_dim", { fallback: 16 }), 16);
  assertEquals(config.section("scaling"), undefined);
  assertEquals(config.has("head_dim"), false);
});

Deno.test("names differ between families: GPT-2 style keys are accepted", () => {
  const values = { model_type: "gpt2", vocab_size: 160, n_embd: 48, n_layer: 2, n_head: 4, n_positions: 64 };
  assertEquals(parseConfig(JSON.stringify(values), "gpt2").integer("n_embd"), 48);
  assertThrows(
    () => parseConfig(JSON.stringify({ ...values, n_embd: 50 }), "gpt2"),
    CheckpointError,
    "n_embd",
  );
  assertThrows(
    () => parseConfig(JSON.stringify({ ...values, n_layer: 0 }), "gpt2"),
    CheckpointError,
    "n_layer",
  );
});
