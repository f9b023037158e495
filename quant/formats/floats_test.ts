/** Float weights in exported files: by the formats' own formulas, and by the makers' packages where Python has them. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { readGguf } from "../../model/gguf/file.ts";
import { splitRow } from "../../model/gguf/names.ts";
import { loadModel } from "../../model/load.ts";
import { readSafetensors, writeSafetensors } from "../../model/safetensors.ts";
import { SchemeError } from "../error.ts";
import { decodeFloat, floatFormats } from "../grids/float.ts";
import { fp8 } from "../methods/fp8.ts";
import { gptq } from "../methods/gptq.ts";
import { mx } from "../methods/mx.ts";
import { nf4 } from "../methods/nf4.ts";
import { nvfp4 } from "../methods/nvfp4.ts";
import { rtn } from "../methods/rtn.ts";
import { quantize } from "../quantize.ts";
import type { WeightScheme } from "../registry.ts";
import type { Scheme } from "../scheme.ts";
import { storedWeight } from "../weights/linear.ts";
import { exportModel } from "./export.ts";
import { base, calibration } from "./export_testing.ts";

/** By name: a scheme whose codes and scales compressed-tensors finds itself, and the format that it calls them. */
const schemes: Readonly<Record<string, readonly [weights: WeightScheme, format: string, strategy: string]>> =
  {
    "fp8-channel": [fp8(), "naive-quantized", "channel"],
    "fp8-tensor": [fp8({ granularity: "tensor" }), "naive-quantized", "tensor"],
    "fp8-block": [fp8({ granularity: "block" }), "naive-quantized", "block"],
    "fp8-group": [fp8({ granularity: "group", groupSize: 64 }), "naive-quantized", "group"],
    "mxfp8": [mx({ element: "e4m3", scaleRule: "compressedTensors" }), "mxfp8-quantized", "group"],
    "mxfp6": [mx({ element: "e2m3", scaleRule: "compressedTensors" }), "mxfp6-pack-quantized", "group"],
    "mxfp4": [mx({ element: "e2m1", scaleRule: "compressedTensors" }), "mxfp4-pack-quantized", "group"],
    "nvfp4": [nvfp4(), "nvfp4-pack-quantized", "tensor_group"],
  };
/** Others that the format holds as well. */
const others: Readonly<Record<string, WeightScheme>> = {
  "mxfp4-floor": mx({ element: "e2m1" }),
  "gptq-nvfp4": gptq({ grid: nvfp4() }),
  "nvfp4-gguf": nvfp4(),
  "nvfp4-gguf-six": nvfp4({ arithmetic: "fourOverSix", target: "mse" }),
  "nvfp4-gguf-plain": nvfp4({ tensorScale: "none" }),
};
const layer = "model.layers.0.self_attn.q_proj";

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("floats in compressed-tensors decode to the weights by the library's formulas", async () => {
  for (const [name, [weights, format, strategy]] of Object.entries(schemes)) {
    await inFolder(async (folder) => {
      using model = await quantize(base, { weights });
      const tensors = await readSafetensors(
        await exportModel(model, folder, { format: "compressed-tensors" }),
      );
      const { quantization_config: config } = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
      const said = config.config_groups.group_0.weights;
      assertEquals([config.format, said.type, said.strategy], [format, "float", strategy], name);
      const expected = storedWeight(model, 0, "q")?.dequantize() ?? new Float32Array();
      const [out, inputs] = base.linear(0, "q").shape;
      const tensor = (kind: string) => tensors.get(`${layer}.${kind}`);
      const packed = tensor("weight_packed") ?? tensor("weight"), scale = tensor("weight_scale");
      assert(packed && scale, name);
      const element = floatFormats[said.num_bits === 8 ? "e4m3" : said.num_bits === 6 ? "e2m3" : "e2m1"];
      const width = scale.shape[1] === undefined ? inputs : inputs / scale.shape[1];
      const height = scale.shape[1] === undefined ? out : out / scale.shape[0];
      const divisor = Number(tensor("weight_global_scale")?.data[0] ?? 1);
      for (let i = 0; i < expected.length; i++) {
        const bit = i * said.num_bits, byte = bit >> 3;
        const pair = Number(packed.data[byte]) | Number(packed.data[byte + 1] ?? 0) << 8;
        const code = (pair >> (bit & 7)) & (2 ** said.num_bits - 1);
        const row = Math.floor(i / inputs), column = i % inputs;
        const at = Math.floor(row / height) * (inputs / width) + Math.floor(column / width);
        const stored = Number(scale.data[at]);
        const one = scale.dtype === "U8"
          ? 2 ** (stored - 127)
          : scale.dtype === "F8_E4M3"
          ? Math.fround(decodeFloat(stored, floatFormats.e4m3) / divisor)
          : stored;
        assertEquals(Math.fround(decodeFloat(code, element) * one), expected[i], `${name} ${i}`);
      }
    });
  }
});

Deno.test("MXFP4 and NVFP4 in GGUF keep their bytes and load as the same model; other floats become F16", async () => {
  await inFolder(async (folder) => {
    using model = await quantize(base, { weights: mx({ element: "e2m1" }) });
    const file = await exportModel(model, folder, { format: "gguf" });
    const query = (await readGguf(file)).get("blk.0.attn_q.weight");
    const expected = storedWeight(model, 0, "q")?.dequantize();
    assert(query && expected);
    const { headDim } = model.architecture, [rows, columns] = query.shape;
    assertEquals(query.dtype, "MXFP4");
    for (let row = 0; row < rows; row++) {
      const from = splitRow(row, headDim) * columns;
      assertEquals(
        query.data.slice(row * columns, (row + 1) * columns).map((x) => x + 0),
        expected.slice(from, from + columns).map((x) => x + 0),
      );
    }
    using again = await loadModel(file);
    assertEquals(again.architecture.layers, 4);
  });
  await inFolder(async (folder) => {
    for (
      const options of [{}, { arithmetic: "fourOverSix", target: "mse" }, { tensorScale: "none" }] as const
    ) {
      const tensorScale = "tensorScale" in options ? "none" : "dynamic";
      using model = await quantize(base, { weights: nvfp4(options) });
      const file = await exportModel(model, `${folder}/${tensorScale}`, { format: "gguf" });
      const stored = await readGguf(file), scale = stored.get("blk.0.attn_q.scale");
      assertEquals([stored.get("blk.0.attn_q.weight")?.dtype, scale?.dtype], [
        "NVFP4",
        tensorScale === "none" ? undefined : "F32",
      ]);
      using again = await loadModel(file);
      const values = await again.linear(0, "q").values(), expected = await model.linear(0, "q").values();
      // The reciprocal of the tensor's scale, its product and ours are rounded to float32.
      const near = (x: number, y: number) => Math.abs(x - y) <= 2 ** -22 * Math.abs(y);
      assert(values.every((x, i) => tensorScale === "none" ? x === expected[i] : near(x, expected[i])));
    }
  });
  await inFolder(async (folder) => {
    using model = await quantize(base, { weights: fp8() });
    const file = await exportModel(model, folder, { format: "gguf" });
    assertEquals((await readGguf(file)).get("blk.0.attn_q.weight")?.dtype, "F16");
  });
});

Deno.test("float weights that a format cannot say are refused by name", async () => {
  const refuses = async (scheme: Scheme, format: "gptq" | "compressed-tensors", message: string) => {
    using model = await quantize(base, scheme, { calibration });
    await assertRejects(() => exportModel(model, "unused", { format }), SchemeError, message);
  };
  await refuses({ weights: fp8() }, "gptq", `gptq: ${layer} has no integers`);
  await refuses({ weights: fp8({ element: "e5m2" }) }, "compressed-tensors", "has e5m2 in blocks of 1 x 256");
  await refuses(
    { weights: mx({ element: "e2m1", blockSize: 16 }) },
    "compressed-tensors",
    "blocks of 1 x 16",
  );
  await refuses({ weights: nvfp4({ tensorScale: "none" }) }, "compressed-tensors", "NVFP4 in blocks of 16");
  await refuses({ weights: nf4() }, "compressed-tensors", "has a table in blocks of 1 x 64");
  await refuses(
    { weights: fp8(), overrides: [{ layers: [1], weights: nvfp4() }] },
    "compressed-tensors",
    "expected one format of all layers",
  );
  await refuses(
    { weights: fp8(), overrides: [{ layers: [1], weights: rtn({ bits: 8 }) }] },
    "compressed-tensors",
    "expected one of both",
  );
});

const python = Deno.env.get("QUANTBOOK_PYTHON") ?? "python3";
const imports = "import torch, gguf, safetensors, compressed_tensors as c; assert c.__version__ >= '0.20'";
const hasPackages = await new Deno.Command(python, { args: ["-c", imports], stderr: "null" }).output()
  .then(({ success }) => success, () => false);
if (!hasPackages) {
  console.log(
    `skipped: ${python} has no compressed-tensors from 0.20 on, gguf and torch; QUANTBOOK_PYTHON names one that has`,
  );
}

Deno.test("float weights are what compressed-tensors and gguf read, and what compressed-tensors writes", {
  ignore: !hasPackages,
}, async () => {
  await inFolder(async (folder) => {
    const shape = base.linear(0, "q").shape, float = await base.linear(0, "q").values();
    const write = (name: string, file: string, data: Float32Array) =>
      writeSafetensors(
        `${folder}/${name}/${file}.safetensors`,
        new Map([["weight", { dtype: "F32", shape, data: Float32Array.from(data) }]]),
      );
    const own = Object.entries(schemes).map(([name, [weights]]) => [name, weights] as const);
    for (const [name, weights] of [...own, ...Object.entries(others)]) {
      using model = await quantize(base, { weights }, { calibration });
      const format = name === "mxfp4-floor" || name.includes("gguf") ? "gguf" : "compressed-tensors";
      await exportModel(model, `${folder}/${name}`, { format });
      await write(name, "values", storedWeight(model, 0, "q")?.dequantize() ?? new Float32Array());
      if (name in schemes) await write(name, "float", float);
    }
    const script = pathOf(new URL("../../fixtures/made-with/check_float_exports.py", import.meta.url));
    const { success, stdout, stderr } = await new Deno.Command(python, { args: [script, folder] }).output();
    const text = new TextDecoder();
    assert(success, text.decode(stdout) + text.decode(stderr));
    assertEquals(text.decode(stdout).trim().split("\n").length, own.length + Object.keys(others).length);
  });
});
