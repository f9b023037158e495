/** What the suite writes it reads: equal codes, scales and zero points. */
import { assert, assertEquals } from "@std/assert";
import { layerRoles } from "../../model/architecture.ts";
import { base, exported, ids, quantizedBy, schemes } from "../formats/export_testing.ts";
import { ordered } from "../formats/tensors.ts";
import { quantize } from "../quantize.ts";
import { fp8 } from "../methods/fp8.ts";
import { mx } from "../methods/mx.ts";
import { nvfp4 } from "../methods/nvfp4.ts";
import { rtn } from "../methods/rtn.ts";
import type { Scheme } from "../scheme.ts";
import { storedWeight } from "../weights/linear.ts";
import { weightStorage } from "../weights/linear.ts";
import { TableWeight } from "../weights/table.ts";
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

Deno.test("compressed-tensors files give the codes of integers that were written", async () => {
  for (const label of Object.keys(schemes).filter((one) => one !== "ordered")) {
    const model = await quantizedBy(label);
    await exported(model, "compressed-tensors", async (_file, directory) => {
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
    });
  }
});

Deno.test("compressed-tensors files give the codes and scales of floats that were written", async () => {
  const floats: Scheme["weights"][] = [
    fp8(),
    fp8({ granularity: "tensor" }),
    fp8({ granularity: "block", groupSize: 128 }),
    fp8({ granularity: "group", groupSize: 64 }),
    mx({ element: "e4m3" }),
    mx({ element: "e2m3" }),
    mx({ element: "e2m1" }),
    nvfp4(),
  ];
  for (const weights of floats) {
    using model = await quantize(base, { weights });
    await exported(model, "compressed-tensors", async (_file, directory) => {
      using again = await loadModel(directory);
      for (const role of layerRoles(model.architecture, 1)) {
        const one = storedWeight(model, 1, role), other = storedWeight(again, 1, role);
        assert(one instanceof TableWeight && other instanceof TableWeight);
        const parts = ({ packed, scales, block, values, globalScale, scaleValues }: TableWeight) => {
          return { packed, scales, block, values, globalScale, scaleValues };
        };
        assertEquals(parts(other), parts(one), `${JSON.stringify(weights)} ${role}`);
      }
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

Deno.test("A model that others have quantized is written with its own codes, and nothing of how it was stored", async () => {
  const model = await quantizedBy("symmetric");
  await exported(model, "gptq", async (_file, directory) => {
    using read = await loadModel(directory);
    await exported(read, "compressed-tensors", async (_again, folder) => {
      using again = await loadModel(folder);
      const one = storedWeight(model, 2, "down"), other = storedWeight(again, 2, "down");
      assert(one instanceof UniformWeight && other instanceof UniformWeight);
      assertEquals(other.codes(), one.codes());
      assertEquals(again.scheme?.quant_method, "compressed-tensors");
    });
    await exported(read, "onnx", async (_again, folder) => {
      const config = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
      assertEquals(config.quantization_config, undefined);
    });
    await exported(read, "gguf", async (file) => {
      using again = await loadModel(file);
      assertEquals(await again.linear(2, "down").values(), await read.linear(2, "down").values());
    });
  });
});

Deno.test("settings in the file of their own that older tools wrote are read, too", async () => {
  await exported(await quantizedBy("ordered"), "gptq", async (_file, directory) => {
    using model = await loadModel(directory);
    const { quantization_config, ...config } = JSON.parse(
      await Deno.readTextFile(`${directory}/config.json`),
    );
    const { quant_method: _, ...settings } = quantization_config;
    await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(config));
    await Deno.writeTextFile(`${directory}/quantize_config.json`, JSON.stringify(settings));
    using again = await loadModel(directory);
    assertEquals(again.scheme, { quant_method: "gptq", ...settings });
    assertEquals(await again.logits(ids), await model.logits(ids));
  });
});
