/** Quantized files of families whose linear layers lie otherwise: experts one by one, layers fused in one tensor. */
import { assert, assertEquals } from "@std/assert";
import { fixture } from "../../base/fixture.ts";
import { layerLinears } from "../../model/architecture.ts";
import { loadModel as openModel } from "../../model/load.ts";
import { type RawTensor, readSafetensors, writeSafetensors } from "../../model/safetensors.ts";
import { fp8, fp8Rule } from "../methods/fp8.ts";
import { quantize } from "../quantize.ts";
import { tableWeight } from "../weights/table.ts";
import { loadModel } from "./load.ts";

/** A family's fixture with its linear layers in fine-grained FP8, as DeepSeek and Qwen publish theirs; and the same in float32. */
async function published(
  family: string,
  check: (quantized: string, float: string) => Promise<void>,
): Promise<void> {
  const source = await fixture(`families/${family}`), directory = await Deno.makeTempDir();
  try {
    const config = JSON.parse(await Deno.readTextFile(`${source}/config.json`));
    const codes = new Map<string, RawTensor>(), floats = new Map<string, RawTensor>();
    for (const [name, tensor] of await readSafetensors(`${source}/model.safetensors`)) {
      const [out, inputs] = tensor.shape;
      if (!/\.\d+\..*(proj|w[123]|query_key_value|dense\w*)\.weight$/.test(name)) {
        codes.set(name, tensor);
        floats.set(name, tensor);
        continue;
      }
      const data = Float32Array.from(tensor.data, Number);
      const weight = tableWeight({ rows: out, columns: inputs, data }, fp8Rule("e4m3", [16, 8]));
      const { scales } = weight;
      assert(scales instanceof Float32Array);
      const grid = [Math.ceil(out / 16), Math.ceil(inputs / 8)];
      codes.set(name, { dtype: "F8_E4M3", shape: [out, inputs], data: weight.codes().slice() });
      codes.set(`${name}_scale_inv`, { dtype: "F32", shape: grid, data: scales.slice() });
      floats.set(name, { dtype: "F32", shape: [out, inputs], data: Float32Array.from(weight.dequantize()) });
    }
    const settings = { quant_method: "fp8", activation_scheme: "dynamic", weight_block_size: [16, 8] };
    for (
      const [folder, tensors, own] of [["codes", codes, { quantization_config: settings }], [
        "floats",
        floats,
        {},
      ]] as const
    ) {
      await Deno.mkdir(`${directory}/${folder}`);
      await writeSafetensors(`${directory}/${folder}/model.safetensors`, tensors);
      await Deno.writeTextFile(`${directory}/${folder}/config.json`, JSON.stringify({ ...config, ...own }));
    }
    await check(`${directory}/codes`, `${directory}/floats`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

for (const family of ["qwen3_moe", "mixtral", "phi3", "falcon", "qwen2"]) {
  Deno.test(`${family}: the model that its values make, and with its inputs rounded in groups`, async () => {
    await published(family, async (codes, floats) => {
      using model = await loadModel(codes, { activations: "float" });
      using expected = await openModel(floats);
      const ids = Int32Array.from({ length: 12 }, (_, i) => (i * 37) % model.architecture.vocabularySize);
      const { architecture } = model;
      for (const { role, expert } of layerLinears(architecture, 1)) {
        assertEquals(
          await model.linear(1, role, expert).values(),
          await expected.linear(1, role, expert).values(),
          role,
        );
      }
      assertEquals(await model.logits(ids), await expected.logits(ids));
      using rounded = await loadModel(codes);
      using same = await quantize(expected, { activations: fp8({ granularity: "group", groupSize: 8 }) });
      assertEquals(await rounded.logits(ids), await same.logits(ids));
    });
  });
}
