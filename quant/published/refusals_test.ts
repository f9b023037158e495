/** What cannot be read is refused by name, and so are settings that contradict the tensors. */
import { assert, assertRejects } from "@std/assert";
import type { JsonObject } from "../../base/json.ts";
import { loadModel as openModel } from "../../model/load.ts";
import { CheckpointError } from "../../model/files/error.ts";
import { type RawTensor, readSafetensors, writeSafetensors } from "../../model/safetensors.ts";
import { exported, quantizedBy } from "../formats/export_testing.ts";
import { loadModel } from "./load.ts";

type Config = Record<string, unknown> & { quantization_config: Record<string, unknown> };

/** Writes GPTQ's files with other settings or tensors, and expects a refusal. */
async function refused(
  change: (config: Config, tensors: Map<string, RawTensor>) => void,
  message: string,
  format: "gptq" | "compressed-tensors" = "gptq",
): Promise<void> {
  await exported(await quantizedBy("symmetric"), format, async (file, directory) => {
    const config: Config = JSON.parse(await Deno.readTextFile(`${directory}/config.json`));
    const tensors = await readSafetensors(file);
    change(config, tensors);
    await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(config));
    await writeSafetensors(file, tensors);
    await assertRejects(() => loadModel(directory), CheckpointError, message);
  });
}

const settings = (values: JsonObject) => (config: Config) => {
  Object.assign(config.quantization_config, values);
};

Deno.test("formats and versions that are not read are refused by name", async () => {
  await refused(settings({ quant_method: "aqlm" }), 'quant_method is "aqlm", a format that is not read here');
  await refused(
    settings({ checkpoint_format: "bitblas" }),
    'checkpoint_format must be "gptq" or "gptq_v2" or "gptq_p" or "marlin"',
  );
  await refused(settings({ format: "gptq_v2" }), 'format must be "gptq" as checkpoint_format');
  await refused(settings({ bits: 5 }), 'format "gptq" has 5 bits: expected 2, 3, 4 or 8, or format "gptq_p"');
  await refused(settings({ pack_dtype: "int64" }), 'pack_dtype is "int64"');
  await refused(settings({ rotation: "hadamard" }), 'rotation is "hadamard"');
  const awq = { quant_method: "awq", checkpoint_format: null };
  await refused(settings({ ...awq, version: "gemv" }), 'version must be "gemm", the only layout of AWQ');
  await refused(settings({ ...awq, version: "gemm", bits: 3 }), "bits must be 4");
});

Deno.test("settings that contradict the tensors are refused", async () => {
  await refused(
    settings({ bits: 8 }),
    '.qweight" has shape [64,256], 8 bits in groups of 32 of 512 inputs needs [128,256]',
  );
  await refused(settings({ group_size: 64 }), "4 bits in groups of 64 of 512 inputs needs [8,32]");
  // Version 2's zero points are not one less.
  await refused(
    settings({ checkpoint_format: "gptq_v2" }),
    'sym is true and the format "gptq_v2", but "model.layers.0.mlp.down_proj.qzeros" then has a zero point of 7: expected 8',
  );
  await refused(
    settings({ dynamic: { "-:.*q_proj": {} } }),
    "by which model.layers.0.self_attn.q_proj is not",
  );
  await refused(settings({ dynamic: { "+:(": {} } }), 'dynamic has "+:(": expected a pattern');
  await refused(({ quantization_config: _, ...config }, tensors) => {
    void config;
    const index = tensors.get("model.layers.1.mlp.up_proj.g_idx");
    if (index !== undefined) index.data[3] = 8 as never;
  }, '"model.layers.1.mlp.up_proj.g_idx"[3] is 8: expected 0 to 7');
  await refused((_, tensors) => {
    const scales = tensors.get("model.layers.1.mlp.up_proj.scales");
    if (scales !== undefined) scales.data[3] = NaN as never;
  }, 'tensor "model.layers.1.mlp.up_proj.scales" is NaN at element 3');
  await refused((_, tensors) => {
    tensors.delete("model.layers.1.mlp.up_proj.scales");
  }, 'no tensor "model.layers.1.mlp.up_proj.scales"');
  await refused((config) => {
    Reflect.deleteProperty(config, "quantization_config");
  }, "tensors are packed as GPTQ and AWQ do, and nothing says how");
});

Deno.test("without a reader of formats quantized weights are refused, not passed over", async () => {
  await exported(await quantizedBy("symmetric"), "gptq", async (_file, directory) => {
    await assertRejects(
      () => openModel(directory),
      CheckpointError,
      "quantization_config must be absent here",
    );
  });
});

Deno.test("a file that ends too early is refused as one, wherever it ends", async () => {
  for (const format of ["gptq", "compressed-tensors", "gguf"] as const) {
    await exported(await quantizedBy("symmetric"), format, async (file, directory) => {
      const bytes = await Deno.readFile(file);
      for (const length of [0, 7, 500, bytes.length >> 1, bytes.length - 1]) {
        await Deno.writeFile(file, bytes.subarray(0, length));
        const error = await assertRejects(
          () => loadModel(format === "gguf" ? file : directory),
          CheckpointError,
        );
        assert(/truncated|format|header|offsets|missing/.test(error.code), `${format} ${length}: ${error}`);
        assert(error.message.includes(file), error.message);
      }
    });
  }
});

/** Changes the one group of compressed-tensors. */
const group = (change: (group: Record<string, unknown>, weights: Record<string, unknown>) => void) =>
(
  { quantization_config: { config_groups: groups } }: Config,
) => {
  const { group_0: own } = groups as Record<string, Record<string, unknown>>;
  change(own, own.weights as Record<string, unknown>);
};

Deno.test("compressed-tensors: formats that are not read are refused by name, and so are contradictions", async () => {
  const format = "compressed-tensors";
  const no = (change: Parameters<typeof refused>[0], message: string) => refused(change, message, format);
  await no(settings({ format: "marlin-23" }), 'has format "marlin-23" of integers, which is not read');
  await no(settings({ quantization_status: "frozen" }), 'quantization_status is "frozen"');
  await no(settings({ transform_config: { config_groups: { u: {} } } }), "transform_config is");
  await no(
    settings({ sparsity_config: { format: "sparse-new" } }),
    'sparsity_config has format "sparse-new"',
  );
  await no(
    settings({ ignore: ["lm_head", "re:.*q_proj"] }),
    "by which model.layers.0.self_attn.q_proj is not quantized",
  );
  await no(
    group((_, weights) => weights.group_size = 64),
    'weight_scale" has shape [256,16], 4 bits by strategy "group"',
  );
  await no(
    group((_, weights) => weights.num_bits = 5),
    "but 512 codes of 5 bits take 80, or 86 with whole codes in a word",
  );
  await no(group((_, weights) => weights.symmetric = false), "symmetric is false, but there is no tensor");
  await no(group((_, weights) => weights.type = "float"), 'has format "pack-quantized" of floats');
  await no(group((_, weights) => weights.dynamic = true), "dynamic is true");
  await no(group((own) => own.targets = ["re:("]), 'targets has "re:(": expected a pattern');
  await no(group((own) => own.output_activations = { num_bits: 8 }), "output_activations is");
  await no((_, tensors) => {
    tensors.delete("model.layers.1.mlp.up_proj.weight_packed");
    tensors.delete("model.layers.1.mlp.up_proj.weight_scale");
    tensors.set("model.layers.1.mlp.up_proj.weight", {
      dtype: "F32",
      shape: [512, 256],
      data: new Float32Array(512 * 256),
    });
  }, '"model.layers.1.mlp.up_proj.weight" holds floats');
});
