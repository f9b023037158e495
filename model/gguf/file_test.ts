/** Every storage type decodes to the bits of gguf-py; hostile files are refused for the reason their index names. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { openGguf, readGguf } from "./file.ts";
import { ggufFamilies } from "./families.ts";
import { loadModel } from "../load.ts";
import { readSafetensors } from "../safetensors.ts";

const folder = pathOf(new URL("../../fixtures/gguf/", import.meta.url));

Deno.test("every type decodes to the bits of gguf-py", async () => {
  const expected = await readSafetensors(`${folder}expected.safetensors`);
  const found = await readGguf(`${folder}types.gguf`);
  assertEquals([...found.keys()].sort(), [...expected.keys()].sort());
  assertEquals(found.size, 14);
  for (const [name, { dtype, shape, data }] of found) {
    assertEquals(dtype, name);
    assertEquals(shape, [2, 512]);
    assertEquals(data, expected.get(name)?.data as Float32Array, name);
  }
});

Deno.test("rows are read without their neighbours", async () => {
  const file = await openGguf(`${folder}types.gguf`);
  for (const name of file.tensors.keys()) {
    const whole = await file.read(name);
    assertEquals(await file.read(name, 1, 1), whole.slice(512), name);
    assertEquals(await file.read(name, 0, 0), new Float32Array(0), name);
  }
  assert(file.metadata.get("general.architecture") === "llama");
});

Deno.test("models under gguf-py's names of keys and tensors compute what transformers computes", async () => {
  const families = pathOf(new URL("../../fixtures/families/", import.meta.url));
  for (const name of ["qwen2", "qwen3", "gemma", "gemma2", "gemma3", "phi2", "phi3", "starcoder2", "gpt2"]) {
    const golden = await readSafetensors(`${families}${ggufFamilies[name].type}/golden.safetensors`);
    using model = await loadModel(`${folder}${name}.gguf`);
    const found = await model.logits(golden.get("input_ids")?.data as Int32Array);
    const expected = golden.get("logits")?.data as Float32Array;
    assertEquals(found.length, expected.length);
    // The tolerance of the golden values, whose logits have a deviation of 2.
    for (const [i, value] of found.entries()) assertAlmostEquals(value, expected[i], 1e-4, `${name} ${i}`);
  }
});
