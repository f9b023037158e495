/** Exported graphs compute what the decoder computes: run by ONNX Runtime. */
import { assertEquals, assertLess } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { loadModel } from "../../model/load.ts";
import { rtn } from "../methods/rtn.ts";
import { quantize } from "../quantize.ts";
import { exported, ids, quantizedBy, schemes } from "./export_testing.ts";
import { openOnnx } from "./onnx/session_testing.ts";

Deno.test("ONNX Runtime computes our logits and continues with our tokens", async () => {
  using opt = await loadModel("fixture:opt");
  using eight = await quantize(opt, schemes.eight);
  for (const model of [await quantizedBy("asymmetric"), await quantizedBy("ordered"), eight]) {
    await exported(model, "onnx", async (file) => {
      using session = await openOnnx(await Deno.readFile(file), model.architecture);
      const found = await session.logits(ids), expected = await model.logits(ids);
      const { intermediateSize, layers } = model.architecture;
      const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      // The bound of two float32 implementations, as in model_test.ts.
      const bound = size * 2 ** -24 * 2 * (2 * layers + 1) * Math.sqrt(intermediateSize);
      const error = found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
      assertLess(error, bound, model.name);
      const prompt = ids.slice(0, 16);
      const continued = await session.generate(prompt, 12);
      assertEquals(continued, await model.generate(prompt, { maxNewTokens: 12, stop: [] }));
    });
  }
});

Deno.test("ends that share a matrix, and are quantized apart, are written apart", async () => {
  using base = await loadModel("fixture:llama");
  for (const scheme of [{ head: rtn({ bits: 3 }) }, { embedding: rtn({ bits: 3 }) }]) {
    using model = await quantize(base, scheme);
    await exported(model, "onnx", async (file) => {
      using session = await openOnnx(await Deno.readFile(file), model.architecture);
      const found = await session.logits(ids), expected = await model.logits(ids);
      const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const [i, value] of found.entries()) assertLess(Math.abs(value - expected[i]), 1e-4 * size);
    });
  }
});

Deno.test("ONNX graphs of the families compute what the decoder computes", async () => {
  const folder = pathOf(new URL("../../fixtures/families/", import.meta.url));
  const exportable = [
    "falcon_40b_like",
    "gemma",
    "gemma2",
    "gpt2",
    "gpt_neox",
    "granite",
    "mistral_swa",
    "olmo",
    "olmo2",
    "phi",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm3",
    "stablelm",
    "stablelm_12b_like",
    "starcoder2",
  ];
  const tokens = Int32Array.from({ length: 24 }, (_, i) => (i * 37 + 5) % 160);
  for (const dir of exportable) {
    using model = await loadModel(folder + dir);
    await exported(model, "onnx", async (file) => {
      using session = await openOnnx(await Deno.readFile(file), model.architecture);
      const found = await session.logits(tokens), expected = await model.logits(tokens);
      const error = found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
      // The checkpoints' own tolerance; logits have a deviation of 2.
      assertLess(error, 1e-4, dir);
      assertEquals(
        await session.generate(tokens, 8),
        await model.generate(tokens, { maxNewTokens: 8, stop: [] }),
        dir,
      );
    });
  }
});
