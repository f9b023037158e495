/** Models in GGUF files compute what transformers computes on the same values. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { CheckpointError } from "../files/error.ts";
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
  // The golden perplexity of the first four windows.
  const windows = [0, 1, 2, 3].map((i) => tokens.slice(i * 512, (i + 1) * 512).map((id) => id % 512));
  const nll: number[] = [];
  for (const window of windows) {
    const scores = await model.logits(window);
    let sum = 0;
    for (let t = 0; t + 1 < window.length; t++) {
      const row = scores.subarray(t * 512, (t + 1) * 512), most = row.reduce((a, b) => Math.max(a, b));
      sum += most + Math.log(row.reduce((total, value) => total + Math.exp(value - most), 0)) -
        row[window[t + 1]];
    }
    nll.push(sum / (window.length - 1));
  }
  assertLess(Math.abs(Math.exp(nll.reduce((a, b) => a + b) / 4) / 909.8740764653423 - 1), 1e-4);
});

Deno.test("tensors that no part of the model asks for are refused by name", async () => {
  const bytes = await Deno.readFile(`${fixtures}gguf/qwen2.gguf`),
    text = new TextDecoder("latin1").decode(bytes);
  const directory = await Deno.makeTempDir();
  try {
    // A bias of queries becomes one of another part: of the same length, in the same place.
    const at = text.indexOf("blk.0.attn_q.bias");
    bytes.set(new TextEncoder().encode("blk.0.attn_x.bias"), at);
    await Deno.writeFile(`${directory}/model`, bytes);
    await assertRejects(() => loadModel(`${directory}/model`), CheckpointError, "blk.0.attn_q.bias");
    bytes.set(new TextEncoder().encode("blk.9.attn_q.bias"), at);
    const other = text.indexOf("qwen2.block_count");
    assert(other > 0);
    await Deno.writeFile(`${directory}/model`, bytes);
    await assertRejects(() => loadModel(`${directory}/model`), CheckpointError);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
