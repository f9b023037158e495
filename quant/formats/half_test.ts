/**
 * What float16 cannot hold is refused by name in every format that stores it: public reports of exports with infinities and
 * scales of 0 (llama.cpp issues 13722 and 25221, AutoAWQ pull 519), see `docs/field.md`.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { variantOf } from "../../model/checkpoint/variant_testing.ts";
import { readGguf } from "../../model/gguf/file.ts";
import { loadModel } from "../../model/load.ts";
import { type RawTensor, readSafetensors } from "../../model/safetensors.ts";
import { rtn } from "../methods/rtn.ts";
import { quantize } from "../quantize.ts";
import { SchemeError } from "../error.ts";
import { exportModel } from "./export.ts";
import { requireHalf } from "./half.ts";

const layer = "model.layers.1.mlp";

/** Multiplies values from `first` on, one every `step`, `count` of them. */
function scale(
  tensors: Map<string, RawTensor>,
  name: string,
  factor: number,
  { first = 0, step = 1, count }: { first?: number; step?: number; count: number },
): void {
  const one = tensors.get(name);
  if (one === undefined) throw new Error(name);
  const data = Float32Array.from(one.data, Number);
  for (let i = 0; i < count; i++) data[first + i * step] *= factor;
  tensors.set(name, { dtype: "F32", shape: one.shape, data });
}

/** A row of `up_proj` by a factor that the column of `down_proj` undoes: the same model. */
const balanced = (factor: number) => (tensors: Map<string, RawTensor>) => {
  scale(tensors, `${layer}.up_proj.weight`, factor, { first: 7 * 256, count: 256 });
  scale(tensors, `${layer}.down_proj.weight`, 1 / factor, { first: 7, step: 512, count: 256 });
};

async function outcome(
  change: (tensors: Map<string, RawTensor>) => void,
  format: "gptq" | "compressed-tensors" | "gguf",
) {
  await using files = await variantOf("models/llama", { tensors: change });
  using model = await loadModel(files.directory);
  using quantized = await quantize(model, { weights: rtn({ bits: 4, groupSize: 32, symmetric: true }) });
  const directory = await Deno.makeTempDir();
  try {
    const file = await exportModel(quantized, directory, { format });
    const tensors = format === "gguf" ? await readGguf(file) : await readSafetensors(file);
    for (const [name, { data }] of tensors) {
      for (const value of data) assert(Number.isFinite(Number(value)), name);
    }
    return "written";
  } catch (error) {
    assert(error instanceof SchemeError, String(error));
    assertEquals([...Deno.readDirSync(directory)], []);
    return error.message;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

for (const format of ["gptq", "compressed-tensors", "gguf"] as const) {
  Deno.test(`${format} says what float16 cannot hold, and holds the rest`, async () => {
    assertEquals(await outcome(() => {}, format), "written");
    const norm = "model.layers.0.input_layernorm.weight";
    const large = await outcome((all) => scale(all, norm, 1e6, { first: 3, count: 1 }), format);
    // GGUF has norms in float32.
    assert(format === "gguf" ? large === "written" : large.includes(norm), large);
    for (const [factor, place] of [[1e-7, "down_proj"], [1e-4, "up_proj"], [1e7, "up_proj"]] as const) {
      const message = await outcome(balanced(factor), format);
      assert(/(up|down)_proj/.test(message) && message.startsWith(format), `${factor} ${place}: ${message}`);
    }
    assertEquals(await outcome(balanced(2 ** -6), format), "written");
    // Rows of padding, and a row of zeros: nobody reads them.
    const table = "model.embed_tokens.weight";
    assertEquals(
      await outcome((all) => scale(all, table, 1e-20, { first: 700 * 256, count: 256 }), format),
      "written",
    );
    assertEquals(
      await outcome((all) => scale(all, `${layer}.up_proj.weight`, 0, { count: 256 }), format),
      "written",
    );
  });
}

Deno.test("values within 2^-10 of the largest of their row are held", () => {
  const half = (values: number[], width = values.length) =>
    requireHalf("gptq", "w", Float32Array.from(values), width);
  half([1, 1e-9, 0, -0, 65504]);
  half([6.2e-5, -7e-5]);
  for (const bad of [[65520], [1e-9], [1.4e-6, 0], [NaN], [-Infinity, 1]]) {
    assertThrows(() => half(bad), SchemeError, "w holds");
  }
  assertThrows(() => half([1, 1, 1e-7, 1e-8], 2), SchemeError);
});
