/** Published files whose codes are left where they are: the same bits, and no more of them in memory than a layer's. */
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { directoryOf, pathOf } from "../../base/file.ts";
import { fixture } from "../../base/fixture.ts";
import { calibration, exported, quantizedBy } from "../formats/export_testing.ts";
import { SchemeError } from "../error.ts";
import { gptq } from "../methods/gptq.ts";
import { quantize } from "../quantize.ts";
import { storedWeight } from "../weights/linear.ts";
import { sizes } from "../weights/sizes.ts";
import { foreign, hasForeign } from "./golden_testing.ts";
import { loadModel } from "./load.ts";
import { layerBytes, writeLarge } from "./memory_testing.ts";

const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 37 + 5) % 512);

/** Whether a directory's model is the same to the bit, loaded both ways. */
async function check(directory: string): Promise<void> {
  using model = await loadModel(directory), streaming = await loadModel(directory, { streaming: true });
  assertEquals(await streaming.logits(ids), await model.logits(ids), directory);
  assertEquals(sizes(streaming), sizes(model));
  assertEquals(await streaming.hash(), await model.hash());
  for (const name of model.checkpoint.names().filter((one) => model.checkpoint.stored?.(one))) {
    const one = model.checkpoint.stored?.(name), other = streaming.checkpoint.stored?.(name);
    assert(one !== undefined && other?.read !== undefined);
    assertEquals([other.shape, other.byteLength], [one.shape, one.byteLength]);
    assertThrows(() => other.dequantize(), SchemeError, "its codes were left in their file");
    assertEquals((await other.read()).dequantize(), one.dequantize());
  }
}

Deno.test("files of AutoAWQ, bitsandbytes and llm-compressor: the same to the bit", async () => {
  for (const name of ["AWQ-g64", "NF4-double", "W4A16-g32"]) {
    await check(await fixture(`published/${name}`));
  }
});

Deno.test({
  name: "files of every format, with inputs and caches as they are published: the same to the bit",
  ignore: !hasForeign,
  async fn() {
    for (
      const name of [
        ...[
          "gptq/mini-v1-w3g32-asym-act",
          "gptq/mini-v1-w4g32-lmhead",
          "hqq/mini-w3g64",
          "torchao/mini-intx4",
        ],
        ...["bitsandbytes/mini-int8", "fp8-block/mini-block32-ue8m0", "compressed-tensors/mini-nvfp4"],
        ...["compressed-tensors/old-sparse24-bitmask", "compressed-tensors/mini-int8-w8a8-static-asym"],
      ]
    ) await check(`${foreign}/${name}`);
  },
});

Deno.test("a streaming model is written with its codes, and quantized again", async () => {
  await exported(await quantizedBy("ordered"), "gptq", async (_file, directory) => {
    using model = await loadModel(directory), streaming = await loadModel(directory, { streaming: true });
    assert(storedWeight(streaming, 0, "q")?.read !== undefined);
    for (const format of ["gptq", "gguf", "onnx"] as const) {
      let expected = new Uint8Array();
      await exported(model, format, async (one) => {
        expected = await Deno.readFile(one);
      });
      await exported(streaming, format, async (one) => assertEquals(await Deno.readFile(one), expected));
    }
    const scheme = { weights: gptq({ bits: 3, groupSize: 64 }) };
    using one = await quantize(model, scheme, { calibration });
    using other = await quantize(streaming, scheme, { calibration });
    assertEquals(await other.logits(ids), await one.logits(ids));
  });
});

Deno.test({
  name: "the most memory of a streaming model: without the codes of its file, on the host as on the device",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const layers = 20, codes = layers * layerBytes, directory = await writeLarge(layers);
    const peak = async (how: string) => {
      const script = pathOf(new URL("memory_testing.ts", import.meta.url));
      const root = directoryOf(pathOf(new URL("../../deno.json", import.meta.url)));
      const args = ["run", "-A", "--no-check", "--no-lock", script, directory, how];
      const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), { args, cwd: root })
        .output();
      assert(success, new TextDecoder().decode(stderr));
      return Number(new TextDecoder().decode(stdout));
    };
    try {
      const all = await peak("all"), streaming = await peak("streaming");
      const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
      console.log(
        `${megabytes(codes)} of codes: at most ${megabytes(all)} in memory, ${
          megabytes(streaming)
        } streaming`,
      );
      // Kept, they lie on the host and on the device: twice their bytes. A streaming model that kept them on the host would save them once.
      assertGreater(all - streaming, 1.5 * codes);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
