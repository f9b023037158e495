/** What the suite writes it reads: equal codes, scales and zero points. */
import { assert, assertEquals } from "@std/assert";
import { layerRoles } from "../../model/architecture.ts";
import { base, exported, ids, quantizedBy, schemes } from "../formats/export_testing.ts";
import { ordered } from "../formats/tensors.ts";
import { quantize } from "../quantize.ts";
import { rtn } from "../methods/rtn.ts";
import { storedWeight } from "../weights/linear.ts";
import { weightStorage } from "../weights/linear.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { loadModel } from "./load.ts";

Deno.test("GPTQ files give the codes that were written, and the model that its scales in float16 make", async () => {
  for (const label of Object.keys(schemes)) {
    const model = await quantizedBy(label);
    await exported(model, "gptq", async (_file, directory) => {
      using again = await loadModel(directory);
      for (let layer = 0; layer < model.architecture.layers; layer++) {
        for (const role of layerRoles(model.architecture, layer)) {
          const one = storedWeight(model, layer, role), other = storedWeight(again, layer, role);
          assert(one instanceof UniformWeight && other instanceof UniformWeight);
          const { scales, ...parts } = ordered(one), { scales: read, ...found } = ordered(other);
          assertEquals(found, parts, `${label} ${layer} ${role}`);
          assertEquals(read, scales.map(Math.f16round));
        }
      }
      assertEquals(again.scheme?.quant_method, "gptq");
      assertEquals((await again.logits(ids)).every(Number.isFinite), true);
    });
  }
});

Deno.test("A model that others have quantized can be quantized again: its values are what it is stored as", async () => {
  await exported(await quantizedBy("asymmetric"), "gptq", async (_file, directory) => {
    using model = await loadModel(directory);
    using again = await quantize(model, { weights: rtn({ bits: 8, groupSize: 32 }) });
    assertEquals(weightStorage(again).bitsPerWeight > weightStorage(model).bitsPerWeight, true);
    assertEquals(await model.linear(0, "q").values(), storedWeight(model, 0, "q")?.dequantize());
  });
  using plain = await quantize(base, { weights: rtn({ bits: 8, groupSize: 32 }) });
  assertEquals(plain.scheme, null);
});
