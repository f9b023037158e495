/** Weights of published files are multiplied as they are stored: the bits of the same values as dense weights, in less memory. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { fixture } from "../../base/fixture.ts";
import { layerLinears } from "../../model/architecture.ts";
import { denseLinear, type Linear, type Parameter } from "../../model/decoder/parameter.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import type { Model } from "../../model/model.ts";
import { heldWeightOf } from "../weights/linear.ts";
import { foreign, hasForeign } from "./golden_testing.ts";
import { loadModel } from "./load.ts";

/** More rows than a device multiplies by codes alone. */
const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 37 + 5) % 512);

/** The model with its linear layers and its output projection as dense weights: `execution: "simulated"`. */
function simulated(model: Model): Model {
  const { architecture, device } = model, linears = new Map<string, Parameter<Linear>>();
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role, expert } of layerLinears(architecture, layer)) {
      const { name, shape: [out, inputs], values } = model.linear(layer, role, expert);
      const bias = expert === undefined ? model.bias(layer, role) : null;
      linears.set(linearKey(layer, role, expert), denseLinear(device, name, [out, inputs], values, bias));
    }
  }
  const { name, shape: [out, inputs], values } = model.head;
  const head = denseLinear(device, name, [out, inputs], values, model.headBias);
  return model.with({ linears, head, change: "simulated" });
}

/** Compares both ways; `most` is the part of a dense weight's bytes that a packed one may take: 0 where there is no kernel. */
async function check(path: string, most: number): Promise<void> {
  using model = await loadModel(path, { activations: "float" }), dense = simulated(model);
  assertEquals(await model.logits(ids), await dense.logits(ids), path);
  const weight = await heldWeightOf(model, 0, "v");
  assertEquals(weight?.pack !== undefined, most > 0, path);
  if (most === 0) return;
  const [packed, plain] = [await model.linear(0, "v").load(), await dense.linear(0, "v").load()];
  assertLess(packed.byteLength, most * plain.byteLength, path);
  assert(packed.byteLength > 0);
}

Deno.test("files of AutoAWQ, bitsandbytes, llm-compressor and llama.cpp: packed and simulated give the same bits", async () => {
  for (
    const [name, most] of [
      ["AWQ-g64", 0.2],
      ["NF4-double", 0.2],
      ["W4A16-g32", 0.2],
      ["llama2l-Q4_0.gguf", 0.2],
      ["llama2l-Q8_0.gguf", 0.4],
      ["llama2l-Q2_K.gguf", 0],
    ] as const
  ) await check(await fixture(`published/${name}`), most);
});

Deno.test({
  name: "files of every format with a kernel: packed and simulated give the same bits",
  ignore: !hasForeign,
  async fn() {
    for (
      const [name, most] of [
        ["gptq/mini-v1-w2g32-asym-act", 0.2],
        ["gptq/mini-v1-w3g32-asym-act", 0.25],
        ["gptq/mini-v1-w4g32-lmhead", 0.25],
        ["gptq/mini-planar-w3g32", 0.25],
        ["gptq/mini-v2-w8g32-asym", 0.4],
        ["gptq/opt-w4g32-act", 0.25],
        ["compressed-tensors/mini-fp8-dynamic", 0.4],
        ["compressed-tensors/mini-int8-w8a8-static-asym", 0.4],
        ["compressed-tensors/mini-mxfp4", 0.25],
        ["compressed-tensors/mini-nvfp4", 0.25],
        ["compressed-tensors/mini-w5g32-sym", 0.3],
        ["compressed-tensors/old-marlin24-w4g128", 0.25],
        ["bitsandbytes/mini-fp4-double", 0.25],
        ["fp8-block/mini-block32-ue8m0", 0.4],
        ["torchao/mini-float8wo", 0],
        ["torchao/mini-intx4", 0],
        ["hqq/mini-w4g64-axis0", 0],
        ["bitsandbytes/mini-int8", 0],
        ["compressed-tensors/old-sparse24-bitmask", 0],
      ] as const
    ) await check(`${foreign}/${name}`, most);
  },
});
