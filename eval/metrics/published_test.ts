/**
 * Files that other makers' tools made of the first two layers of the llama fixture: perplexity and divergence from the float model are
 * those of transformers on the values that these tools, or gguf-py, decode (`fixtures/made-with/make_published.py`).
 */
import { assertEquals, assertLess } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { variantOf } from "../../model/checkpoint/variant_testing.ts";
import { loadModel } from "../../quant/published/load.ts";
import { corpus } from "../corpus.ts";
import { FloatPredictions } from "./divergence.ts";
import { measure } from "./measure.ts";

const folder = pathOf(new URL("../../fixtures/published/", import.meta.url));
const golden: {
  readonly windows: number;
  readonly length: number;
  readonly files: Record<string, { readonly perplexity: number; readonly divergence?: number }>;
} = JSON.parse(await Deno.readTextFile(`${folder}expected.json`));

Deno.test("published files measure what transformers measures on them", async () => {
  await using files = await variantOf("models/llama", { config: { num_hidden_layers: 2 } });
  using float = await loadModel(files.directory);
  const windows = await corpus("sotu", { split: "test", windows: golden.windows, length: golden.length });
  const reference = await FloatPredictions.of(float, windows);
  // Logits of two float32 passes are this far apart at most (each is 1.2e-5 from float64's: golden/foreign/README).
  const apart = 2.4e-5;
  let seen = 0;
  for (const [name, expected] of Object.entries(golden.files)) {
    using model = name === "float" ? float.with({ change: "none" }) : await loadModel(folder + name);
    assertEquals(name === "float" ? [] : model.notices, []);
    const { perplexity, divergence } = await measure(model, windows, reference);
    // A logarithm of a probability moves by at most twice what logits move by.
    assertLess(Math.abs(Math.log(perplexity.value / expected.perplexity)), 2 * apart, name);
    seen++;
    if (expected.divergence === undefined) continue;
    // KL moves by the sum of |q - p| times that, for either model's logits; the sum is at most sqrt(2 KL) (Pinsker).
    const bound = 2 * 2 * apart * Math.sqrt(2 * expected.divergence) + apart ** 2;
    assertLess(Math.abs((divergence?.value ?? NaN) - expected.divergence), bound, name);
  }
  assertEquals(seen, 12);
});
