/** Sizes of checkpoints that others have quantized are those of their tensors, byte for byte: codes, scales, zero points, orders of columns. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { CheckpointError } from "../../model/files/error.ts";
import { openSafetensors } from "../../model/safetensors.ts";
import { sizes } from "../weights/sizes.ts";
import { foreign, hasForeign } from "./golden_testing.ts";
import { loadModel } from "./load.ts";

const fixtures = pathOf(new URL("../../fixtures/published/", import.meta.url));

/** What activations and caches are rounded with, which is not counted. */
const ofActivations = /\.(input|[qkv])_(scale|zero_point|global_scale)$/;

async function tensorBytes(directory: string): Promise<{ tensors: number; files: number }> {
  let tensors = 0, files = 0;
  for await (const { name } of Deno.readDir(directory)) {
    if (!/^model.*\.safetensors$/.test(name)) continue;
    const file = await openSafetensors(`${directory}/${name}`);
    files += file.byteLength;
    for (const [tensor, { byteLength }] of file.tensors) {
      if (!ofActivations.test(tensor)) tensors += byteLength;
    }
  }
  return { tensors, files };
}

async function check(directory: string): Promise<void> {
  using model = await loadModel(directory, { activations: "float" });
  const all = sizes(model), { tensors, files } = await tensorBytes(directory);
  assertAlmostEquals(all.model.bytes, tensors, 1e-6, directory);
  assertEquals(all.file?.bytes, files, directory);
}

Deno.test("files of AutoAWQ, bitsandbytes and llm-compressor", async () => {
  for (const name of ["AWQ-g64", "NF4-double", "W4A16-g32"]) await check(fixtures + name);
});

Deno.test("every published checkpoint that is read", { ignore: !hasForeign }, async () => {
  let checked = 0;
  for (
    const format of [
      "awq",
      "bitsandbytes",
      "compressed-tensors",
      "fp8-block",
      "gptq",
      "hqq",
      "torchao",
      "sharded",
    ]
  ) {
    for await (const { name, isDirectory } of Deno.readDir(`${foreign}/${format}`)) {
      if (!isDirectory) continue;
      try {
        await check(`${foreign}/${format}/${name}`);
        checked++;
      } catch (error) {
        // Formats that are refused by name have no size.
        if (!(error instanceof CheckpointError)) throw error;
      }
    }
  }
  assert(checked >= 55, `${checked} checkpoints`);
});
