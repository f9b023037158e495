/** Files of compressed-tensors as llm-compressor writes them, and as version 0.9 did. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { CheckpointError } from "../../model/files/error.ts";
import { fixture } from "../../base/fixture.ts";
import { openCheckpoint } from "../../model/checkpoint/checkpoint.ts";
import { readSafetensors, writeSafetensors } from "../../model/safetensors.ts";
import { importCheckpoint } from "../formats/import.ts";
import { checkForward, foreign, goldenOf, hasForeign, testFolder } from "./golden_testing.ts";
import { loadModel } from "./load.ts";

testFolder("compressed-tensors", [
  "llama2l-w4a16-g32-sym",
  "mini-fp8-block",
  "mini-fp8-dynamic",
  "mini-int8-w8a8-static-asym",
  "mini-kv-fp8",
  "mini-kv-only-int8",
  "mini-mixed-w4-w8",
  "mini-mxfp4",
  "mini-mxfp4a16",
  "mini-mxfp8",
  "mini-nvfp4",
  "mini-nvfp4a16",
  "mini-w2g32-asym",
  "mini-w4afp8",
  "mini-w4channel-asym",
  "mini-w4channel-sym",
  "mini-w4g32-actorder-static",
  "mini-w4g32-actorder-weight",
  "mini-w4g32-asym",
  "mini-w4g32-bf16",
  "mini-w5g32-sym",
  "old-sparse24-bitmask",
  "old-w3g32-tenfields",
  "old-w4g32-actorder-group",
  "opt-mini-w4g32",
]);
testFolder("sharded", ["mini-w4g32-asym-3shards"]);

Deno.test({
  name: "marlin-24: rows and groups as they were before they were packed, logits, perplexity",
  ignore: !hasForeign,
  async fn() {
    // Nothing unpacks it: expected are the values before packing. Their digests tell -0 from 0, which codes do not.
    for (const folder of ["old-marlin24-w4channel", "old-marlin24-w4g128"]) {
      const directory = `${foreign}/compressed-tensors/${folder}`, golden = await goldenOf(directory);
      using model = await loadModel(directory);
      for (const [name, { first8, absmax, sum }] of Object.entries(golden.weights)) {
        const values = await model.checkpoint.tensor(name);
        for (const [i, value] of first8.entries()) assert(values[i] === value, `${name} ${i}`);
        assertEquals(values.reduce((most, x) => Math.max(most, Math.abs(x)), 0), absmax);
        // Sums of float64 in another order.
        assert(Math.abs(Array.from(values).reduce((a, b) => a + b, 0) - sum) < 1e-9 * values.length, name);
      }
      await checkForward(model, directory, golden);
    }
  },
});

Deno.test("marlin-24 in groups: the order of scales of the version that wrote them, without it a refusal", async () => {
  const fixtures = await readSafetensors(`${await fixture("foreign")}/marlin24.safetensors`);
  const get = (name: string) => {
    const found = fixtures.get(name);
    assert(found !== undefined, name);
    return found;
  };
  const codes = Float32Array.from(get("codes").data, Number),
    scales = Float32Array.from(get("scales").data, Number);
  const expected = codes.map((code, i) => code * scales[Math.floor(i / 512) * 4 + Math.floor(i % 512 / 128)]);
  const { config } = JSON.parse(await Deno.readTextFile(`${await fixture("foreign")}/weights.json`));
  const old = JSON.parse(await Deno.readTextFile(`${await fixture("published/W4A16-g32")}/config.json`));
  const { quantization_config: settings } = old, name = "model.layers.0.self_attn.k_proj";
  const [group] = Object.values(settings.config_groups) as Record<string, unknown>[];
  const weights = { ...group.weights as Record<string, unknown>, group_size: 128 };
  const read = async (version: string | undefined, packed: string) => {
    const directory = await Deno.makeTempDir();
    try {
      const quantization_config = {
        quant_method: "compressed-tensors",
        format: "marlin-24",
        config_groups: { group_0: { targets: ["Linear"], weights } },
        ...version !== undefined && { version },
      };
      await Deno.writeTextFile(
        `${directory}/config.json`,
        JSON.stringify({ ...config, quantization_config }),
      );
      const tensors = new Map([
        [`${name}.weight_packed`, get("weight_packed")],
        [`${name}.meta`, get("meta")],
        [`${name}.scale_packed`, get(`${packed}|scale_packed`)],
      ]);
      await writeSafetensors(`${directory}/model.safetensors`, tensors);
      const { checkpoint } = await importCheckpoint(await openCheckpoint(directory));
      return await checkpoint.tensor(`${name}.weight`);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  };
  for (const version of ["0.7.1", "0.8.0", "0.9.4", "0.13.0"]) {
    // Codes of -0 are 0.
    assertEquals(await read(version, version), expected.map((x) => x + 0), version);
  }
  for (const version of [undefined, "0.7.1.20241107", "new"]) {
    await assertRejects(() => read(version, "0.9.4"), CheckpointError, "expected the version that wrote it");
  }
});
