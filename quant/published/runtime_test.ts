/** Models that round their inputs and caches as their files say: the same bits as with the methods that do the same. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { fixture } from "../../base/fixture.ts";
import { CheckpointError } from "../../model/files/error.ts";
import { readSafetensors } from "../../model/safetensors.ts";
import { base, exported, ids } from "../formats/export_testing.ts";
import { exportModel } from "../formats/export.ts";
import { fp8 } from "../methods/fp8.ts";
import { llmInt8 } from "../methods/llmint8.ts";
import { mx } from "../methods/mx.ts";
import { quantize } from "../quantize.ts";
import type { Scheme } from "../scheme.ts";
import { SchemeError } from "../error.ts";
import { foreign, hasForeign, windowsOf } from "./golden_testing.ts";
import { loadModel } from "./load.ts";

type Settings = Record<string, unknown>;

/** Writes a model of FP8 weights whose file says more. */
async function withSettings(
  change: (config: Settings, group: Settings) => void,
  check: (directory: string) => Promise<void>,
): Promise<void> {
  using model = await quantize(base, { weights: fp8() });
  await exported(model, "compressed-tensors", async (_file, directory) => {
    const config = JSON.parse(await Deno.readTextFile(`${directory}/config.json`));
    change(config.quantization_config, config.quantization_config.config_groups.group_0);
    await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(config));
    await check(directory);
  });
}

const dynamic = { type: "float", symmetric: true, dynamic: true };
const sameAs: readonly (readonly [settings: Settings, activations: Scheme["activations"]])[] = [
  [{ ...dynamic, num_bits: 8, strategy: "token" }, fp8({ granularity: "token" })],
  [
    { ...dynamic, num_bits: 8, strategy: "group", group_size: 64 },
    fp8({ granularity: "group", groupSize: 64 }),
  ],
  [
    { ...dynamic, num_bits: 4, strategy: "group", group_size: 32, scale_dtype: "torch.uint8" },
    mx({ element: "e2m1", scaleRule: "compressedTensors" }),
  ],
];

Deno.test("inputs are rounded as the methods of the same name do, unless they are to stay float", async () => {
  for (const [settings, activations] of sameAs) {
    await withSettings((_, group) => group.input_activations = settings, async (directory) => {
      using model = await loadModel(directory);
      using float = await loadModel(directory, { activations: "float" });
      using expected = await quantize(float, { activations });
      const logits = await model.logits(ids);
      assertEquals(logits, await expected.logits(ids), JSON.stringify(settings));
      const plain = await float.logits(ids);
      assert(logits.some((value, i) => value !== plain[i]));
      assert(await model.hash() !== await float.hash());
      const message = "activations or attention operands are quantized on the fly";
      await assertRejects(() => exportModel(model, directory, { format: "gptq" }), SchemeError, message);
    });
  }
});

Deno.test("rounding that is not done, or not of all layers that share an input, is refused with the way around it", async () => {
  const refused = (change: (config: Settings, group: Settings) => void, message: string) =>
    withSettings(change, async (directory) => {
      const error = await assertRejects(() => loadModel(directory), CheckpointError, message);
      assert(error.message.includes("activations"));
      using float = await loadModel(directory, { activations: "float" });
      assertEquals(float.interventions, []);
    });
  const rounded = { ...dynamic, num_bits: 8, strategy: "token" };
  await refused(
    (_, group) => group.input_activations = { ...rounded, strategy: "attn_head" },
    "is not done here",
  );
  await refused((config, group) => {
    const groups = config.config_groups as Settings;
    groups.group_1 = { ...group, targets: ["re:.*k_proj"], input_activations: rounded };
  }, 'share the input of "attention", which is to be rounded in two ways');
  await assertRejects(
    () => loadModel("fixture:llama", { activations: "half" as never }),
    SchemeError,
    "activations",
  );
});

Deno.test("static ranges and caches need their scales", async () => {
  const fixed = { num_bits: 8, type: "float", symmetric: true, dynamic: false, strategy: "tensor" };
  await withSettings((_, group) => group.input_activations = fixed, async (directory) => {
    await assertRejects(() => loadModel(directory), CheckpointError, 'down_proj.input_scale"');
  });
  await withSettings((config) => config.kv_cache_scheme = fixed, async (directory) => {
    await assertRejects(() => loadModel(directory), CheckpointError, "without a k_scale of layer 0");
  });
});

Deno.test({
  name: "LLM.int8() of bitsandbytes' file: the bits that the method gives of the float model",
  ignore: !hasForeign,
  async fn() {
    using model = await loadModel(`${foreign}/bitsandbytes/mini-int8`);
    using float = await loadModel(`${foreign}/base/llama-mini`);
    using expected = await quantize(float, { linears: llmInt8({ threshold: 6 }) });
    const [window] = await windowsOf(model, "llama-mini");
    assertEquals(await model.logits(window.slice(0, 64)), await expected.logits(window.slice(0, 64)));
  },
});

const expected = await readSafetensors(`${await fixture("foreign")}/activations.safetensors`);
for (const [name, { data, shape: [, width] }] of expected) {
  Deno.test({
    name: `${name}: logits with inputs and cache rounded as compressed-tensors rounds them in float32`,
    ignore: !hasForeign,
    async fn() {
      using model = await loadModel(`${foreign}/compressed-tensors/${name}`);
      const [window] = await windowsOf(model, "llama-mini");
      const logits = await model.logits(window.slice(0, 32));
      // Five of 32 tokens, no input of which lies so near the middle of two codes that sums in another order turn it over.
      for (const [i, row] of [0, 1, 2, 15, 31].entries()) {
        for (let j = 0; j < width; j++) {
          assertAlmostEquals(logits[row * width + j], Number(data[i * width + j]), 1e-4, `token ${row}`);
        }
      }
    },
  });
}
