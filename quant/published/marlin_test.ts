/** Checkpoints in MARLIN's order: what the suite writes it reads, and what the original packed. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fixture } from "../../base/fixture.ts";
import type { JsonObject } from "../../base/json.ts";
import { layerRoles } from "../../model/architecture.ts";
import { CheckpointError } from "../../model/files/error.ts";
import { readSafetensors, writeSafetensors } from "../../model/safetensors.ts";
import { exportModel } from "../formats/export.ts";
import { packMarlin } from "../formats/marlin.ts";
import { exported, ids } from "../formats/export_testing.ts";
import { gptq } from "../methods/gptq.ts";
import { rtn } from "../methods/rtn.ts";
import { SchemeError } from "../error.ts";
import { quantize } from "../quantize.ts";
import type { Scheme } from "../scheme.ts";
import { storedWeight } from "../weights/linear.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { loadModel } from "./load.ts";

const windows = [1, 2].map((w) => Int32Array.from({ length: 48 }, (_, i) => 1 + (37 * i * w + i) % 500));
const schemes: readonly Scheme[] = [
  { weights: rtn({ bits: 4, groupSize: 128, symmetric: true }) },
  { weights: gptq({ bits: 4, symmetric: true }) },
];

Deno.test("codes, scales, biases and sizes of a file in MARLIN's order are those that were written", async () => {
  using float = await loadModel("fixture:opt");
  for (const [i, scheme] of schemes.entries()) {
    using model = await quantize(float, scheme, { calibration: windows });
    await exported(model, "marlin", async (file, directory) => {
      const tensors = await readSafetensors(file);
      using again = await loadModel(directory);
      for (let layer = 0; layer < model.architecture.layers; layer++) {
        for (const role of layerRoles(model.architecture, layer)) {
          const one = storedWeight(model, layer, role), other = storedWeight(again, layer, role);
          assert(one instanceof UniformWeight && other instanceof UniformWeight);
          assertEquals([other.shape, other.groupSize], [one.shape, one.groupSize]);
          assertEquals(other.codes(), one.codes());
          assertEquals(other.scales, one.scales.map(Math.f16round));
          assertEquals(other.zeros(), one.zeros());
          const bias = await model.bias(layer, role)?.();
          assertEquals(await again.bias(layer, role)?.(), bias?.map(Math.f16round));
        }
      }
      const first = storedWeight(model, 0, "q");
      assert(first instanceof UniformWeight);
      const words = tensors.get("model.decoder.layers.0.self_attn.q_proj.B");
      assertEquals(words?.shape, [16, 512]);
      assertEquals(
        Uint32Array.from((words?.data ?? []) as Int32Array, (word) => word >>> 0),
        packMarlin(first).words,
      );
      assertEquals(again.scheme?.group_size, [128, -1][i]);
      assert((await again.logits(ids)).every(Number.isFinite));
    });
  }
});

/** The fixture with one layer's weight as the original packed it, and its codes and scales. */
async function withOriginal(name: string, id: string, config: JsonObject, directory: string) {
  const source = await fixture("models/llama");
  const golden = await readSafetensors(await fixture(`expected/methods2/rotation-w4a8/${name}.safetensors`));
  const part = (ending: string) => {
    const found = golden.get(`${id}.layers.0.q_proj.${ending}`);
    if (found === undefined) throw new Error(`no ${ending}`);
    return found;
  };
  const tensors = await readSafetensors(`${source}/model.safetensors`),
    at = "model.layers.0.self_attn.q_proj";
  tensors.delete(`${at}.weight`);
  tensors.set(`${at}.B`, part("B")).set(`${at}.s`, part("s"));
  await writeSafetensors(`${directory}/model.safetensors`, tensors);
  await Deno.copyFile(`${source}/tokenizer.json`, `${directory}/tokenizer.json`);
  const plain = JSON.parse(await Deno.readTextFile(`${source}/config.json`));
  const whole = Object.keys(config).length === 0 ? plain : { ...plain, quantization_config: config };
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(whole));
  return { codes: part("codes").data as Uint8Array, scales: part("scale").data as Float32Array };
}

async function inFolder(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const before = { quant_method: "gptq", bits: 4, desc_act: false, sym: true, is_marlin_format: true };

Deno.test("what the original packed is read: AutoGPTQ's settings of both ages, in both files", async () => {
  const now = { quant_method: "gptq", bits: 4, desc_act: false, sym: true, checkpoint_format: "marlin" };
  const cases: [string, string, JsonObject, JsonObject?][] = [
    ["llama", "marlin-g128-clip", { ...now, group_size: 128 }],
    ["llama-outlier", "marlin-row", { ...before, group_size: -1 }],
    ["llama-outlier", "marlin-row", {}, { ...before, group_size: -1 }],
  ];
  for (const [name, id, config, beside] of cases) {
    await inFolder(async (directory) => {
      const { codes, scales } = await withOriginal(name, id, config, directory);
      if (beside) await Deno.writeTextFile(`${directory}/quantize_config.json`, JSON.stringify(beside));
      using model = await loadModel(directory);
      const weight = storedWeight(model, 0, "q");
      assert(weight instanceof UniformWeight);
      assertEquals(weight.codes().subarray(0, codes.length), codes);
      assertEquals(weight.scales.subarray(0, scales.length), scales.map(Math.f16round));
      assertEquals(storedWeight(model, 0, "k"), undefined);
    });
  }
});

Deno.test("settings that MARLIN's order cannot hold, or that contradict its tensors, are refused", async () => {
  const cases: [JsonObject, string][] = [
    [{ group_size: 128 }, "group_size 128 of 256 inputs needs [2,256]"],
    [{ group_size: 64 }, "group_size must be -1 or 128 in MARLIN's order"],
    [{ bits: 8 }, "bits must be"],
    [{ desc_act: true }, "desc_act must be false in MARLIN's order"],
    [{ sym: false }, "sym must be true in MARLIN's order"],
    [{ checkpoint_format: "gptq" }, 'is_marlin_format must be false beside "gptq"'],
  ];
  for (const [values, message] of cases) {
    await inFolder(async (directory) => {
      await withOriginal("llama-outlier", "marlin-row", { ...before, group_size: -1, ...values }, directory);
      await assertRejects(() => loadModel(directory), CheckpointError, message);
    });
  }
});

Deno.test("what MARLIN's order cannot say is refused by the layer's name", async () => {
  const refuses = async (name: string, scheme: Scheme, message: string) => {
    using float = await loadModel(name);
    using model = await quantize(float, scheme, { calibration: windows });
    await assertRejects(() => exportModel(model, "unused", { format: "marlin" }), SchemeError, message);
  };
  const [grouped] = schemes, first = "model.decoder.layers.0.self_attn.q_proj";
  await refuses("fixture:llama", grouped, "model.layers.0.self_attn.k_proj: marlin: a weight of 128 x 256");
  await refuses(
    "fixture:opt",
    { weights: rtn({ bits: 4, groupSize: 64, symmetric: true }) },
    `${first}: marlin: groupSize is 64`,
  );
  await refuses(
    "fixture:opt",
    { weights: rtn({ bits: 4, groupSize: 128, symmetric: false }) },
    `${first}: marlin: expected 4-bit codes`,
  );
  await refuses(
    "fixture:opt",
    { weights: rtn({ bits: 8, symmetric: true }) },
    `${first}: marlin: expected 4-bit codes`,
  );
  const overrides = [{ layers: [1], linears: ["down"] as const, weights: "float" as const }];
  await refuses(
    "fixture:opt",
    { ...grouped, overrides },
    "marlin: model.decoder.layers.1.fc2 is not quantized",
  );
});
