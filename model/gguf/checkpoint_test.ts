/** Models in GGUF files compute what transformers computes on the same values. */
import { assertEquals, assertLess } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { loadModel } from "../load.ts";
import { readSafetensors } from "../safetensors.ts";

const fixtures = pathOf(new URL("../../fixtures/", import.meta.url));

Deno.test("a split model with a type per matrix gives transformers' logits, under any name", async () => {
  const tokens = (await readSafetensors(`${fixtures}expected/tokens.safetensors`)).get("test")
    ?.data as Int32Array;
  const ids = tokens.slice(0, 32).map((id) => id % 512);
  const golden = await readSafetensors(`${fixtures}gguf/split/logits.safetensors`);
  const expected = golden.get("logits")?.data as Float32Array;
  using model = await loadModel(`${fixtures}gguf/split/split-00002-of-00002.gguf`);
  const logits = await model.logits(ids);
  for (const [i, row] of [0, 1, 2, 15, 16, 29, 30, 31].entries()) {
    const found = logits.slice(row * 512, (row + 1) * 512);
    // The golden values' own error against float64 is 1.2e-5.
    const most = Math.max(...found.map((value, j) => Math.abs(value - expected[i * 512 + j])));
    assertLess(most, 1e-4, `row ${row}`);
  }
  assertEquals(logits.length, 32 * 512);
});
