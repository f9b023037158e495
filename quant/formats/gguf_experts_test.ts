/** Mixtures of experts as GGUF: one tensor for all experts of a layer, with the codes of each. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { fixture } from "../../base/fixture.ts";
import { sha256Hex } from "../../base/hash.ts";
import { PythonRandom } from "../../base/random.ts";
import { layerLinears } from "../../model/architecture.ts";
import { readGguf } from "../../model/gguf/file.ts";
import { loadModel } from "../../model/load.ts";
import { type RawTensor, writeSafetensors } from "../../model/safetensors.ts";
import { SchemeError } from "../error.ts";
import { gptq } from "../methods/gptq.ts";
import { mx } from "../methods/mx.ts";
import { nvfp4 } from "../methods/nvfp4.ts";
import { rtn } from "../methods/rtn.ts";
import { quantize } from "../quantize.ts";
import type { Scheme } from "../scheme.ts";
import { storedWeight } from "../weights/linear.ts";
import { TableWeight } from "../weights/table.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { exportModel } from "./export.ts";
import { exported } from "./export_testing.ts";

const ids = Int32Array.from({ length: 40 }, (_, i) => (i * 37 + 5) % 160);

const names = {
  mixtral: (layer: number, expert: number) =>
    ["w1", "w3", "w2"].map((one) => `model.layers.${layer}.block_sparse_moe.experts.${expert}.${one}`),
  qwen3_moe: (layer: number, expert: number) =>
    ["gate_proj", "up_proj", "down_proj"].map((one) => `model.layers.${layer}.mlp.experts.${expert}.${one}`),
};

/** A model of two layers with three experts, wide enough for blocks of 64, with made-up weights. */
async function model(
  family: keyof typeof names,
  change: Record<string, unknown> = {},
): Promise<AsyncDisposable & { readonly directory: string }> {
  const directory = await Deno.makeTempDir(), random = new PythonRandom(5);
  const config = JSON.parse(await Deno.readTextFile(`${await fixture(`families/${family}`)}/config.json`));
  const tensors = new Map<string, RawTensor>();
  const add = (name: string, shape: number[], value: () => number) => {
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, value);
    tensors.set(`${name}.weight`, { dtype: "F32", shape, data });
  };
  const matrix = (name: string, rows: number, columns: number) =>
    add(name, [rows, columns], () => Math.fround((random.random() - 0.5) / 2));
  const ones = (name: string, size: number) => add(name, [size], () => 1);
  matrix("model.embed_tokens", 160, 64);
  matrix("lm_head", 160, 64);
  ones("model.norm", 64);
  for (const layer of [0, 1]) {
    const own = `model.layers.${layer}`;
    for (const norm of ["input", "post_attention"]) ones(`${own}.${norm}_layernorm`, 64);
    for (const [part, rows] of [["q", 64], ["k", 32], ["v", 32], ["o", 64]] as const) {
      matrix(`${own}.self_attn.${part}_proj`, rows, 64);
    }
    if (family === "qwen3_moe") { for (const part of ["q", "k"]) ones(`${own}.self_attn.${part}_norm`, 16); }
    matrix(`${own}.${family === "mixtral" ? "block_sparse_moe" : "mlp"}.gate`, 3, 64);
    for (const expert of [0, 1, 2]) {
      const [gate, up, down] = names[family](layer, expert);
      matrix(gate, 128, 64);
      matrix(up, 128, 64);
      matrix(down, 64, 128);
    }
  }
  await writeSafetensors(`${directory}/model.safetensors`, tensors);
  const own = family === "mixtral"
    ? {}
    : { moe_intermediate_size: 128, norm_topk_prob: true, mlp_only_layers: [] };
  const sizes = {
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 2,
    num_local_experts: 3,
    ...own,
  };
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...config, ...sizes, ...change }));
  return { directory, [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }) };
}

const schemes: readonly (readonly [type: string, scheme: Scheme])[] = [
  ["F16", {}],
  ["Q4_0", { weights: rtn({ bits: 4, groupSize: 32, symmetric: true }) }],
  ["Q4_1", { weights: rtn({ bits: 4, groupSize: 32, symmetric: false }) }],
  ["Q5_1", { weights: rtn({ bits: 5, groupSize: 64, symmetric: false }) }],
  ["Q8_0", { weights: rtn({ bits: 8, groupSize: 32, symmetric: true }) }],
  ["MXFP4", { weights: mx({ element: "e2m1" }) }],
  ["NVFP4", { weights: nvfp4() }],
];

/** What a block type makes of a weight's codes: scales and minima in float16, one rounding for each product and sum. */
function inBlocks(weight: UniformWeight, type: string): Float32Array {
  const codes = weight.codes(), zeros = weight.zeros(), { f16round, fround } = Math;
  return Float32Array.from(codes, (code, i) => {
    const group = Math.floor(i / weight.groupSize), scale = weight.scales[group], zero = zeros[group];
    if (!type.endsWith("_1")) return fround(f16round(scale) * (code - zero));
    return fround(fround(f16round(scale) * code) + f16round(fround(-scale * zero)));
  });
}

for (const family of ["mixtral", "qwen3_moe"] as const) {
  Deno.test(`${family}: every expert's codes are written and read, in each type of blocks`, async () => {
    await using files = await model(family);
    using base = await loadModel(files.directory);
    for (const [type, scheme] of schemes) {
      using quantized = await quantize(base, scheme);
      await exported(quantized, "gguf", async (file) => {
        const stored = await readGguf(file);
        for (const role of ["gate", "up", "down"]) {
          const tensor = stored.get(`blk.1.ffn_${role}_exps.weight`);
          assertEquals(tensor?.dtype, type);
          assertEquals(tensor?.shape, role === "down" ? [3, 64, 128] : [3, 128, 64]);
        }
        assertEquals(stored.get("blk.0.ffn_gate_inp.weight")?.dtype, "F32");
        using again = await loadModel(file);
        for (const layer of [0, 1]) {
          for (const { role, expert } of layerLinears(base.architecture, layer)) {
            const weight = storedWeight(quantized, layer, role, expert);
            const found = await again.linear(layer, role, expert).values();
            const where = `${type} ${layer} ${role} ${expert}`;
            if (weight instanceof UniformWeight) assertEquals(found, inBlocks(weight, type), where);
            else if (type === "MXFP4") {
              // ggml's table of values has no -0.
              assertEquals(found, weight?.dequantize().map((x) => x + 0), where);
            } else if (weight instanceof TableWeight) {
              // Products of the two scales are rounded in another order: twice 2^-24 of a value, thrice with the check's own.
              const values = weight.dequantize();
              found.forEach((x, i) =>
                assert(Math.abs(x - values[i]) <= 3 * 2 ** -24 * Math.abs(values[i]), where)
              );
            } else {
              const values = await base.linear(layer, role, expert).values();
              assertEquals(found, values.map(Math.f16round), where);
            }
          }
        }
        const [one, other] = [await again.logits(ids), await quantized.logits(ids)];
        const deviation = Math.sqrt(other.reduce((sum, x) => sum + x * x, 0) / other.length);
        // Scales in float16 move each weight by 2^-11 of itself at most; a token that stands between two experts may change them.
        const distances = one.map((x, i) => Math.abs(x - other[i]) / deviation).sort();
        assertLess(distances[Math.floor(0.9 * distances.length)], 0.02, type);
      });
    }
  });
}

Deno.test("experts that a method has left float, or whose columns are in an order of their own, are written as floats", async () => {
  await using files = await model("mixtral");
  using base = await loadModel(files.directory);
  using some = await quantize(base, {
    weights: rtn({ bits: 4, groupSize: 32, symmetric: true }),
    overrides: [{ linears: ["down"], weights: "float" }],
  });
  using ordered = await quantize(base, { weights: gptq({ bits: 4, groupSize: 32, actOrder: true }) }, {
    calibration: [ids],
  });
  for (const [one, types] of [[some, ["Q4_0", "F16"]], [ordered, ["F16", "F16"]]] as const) {
    await exported(one, "gguf", async (file) => {
      const stored = await readGguf(file);
      assertEquals(["up", "down"].map((role) => stored.get(`blk.0.ffn_${role}_exps.weight`)?.dtype), [
        ...types,
      ]);
    });
  }
});

Deno.test("mixtures that llama.cpp has no word for are refused, and other formats have none", async () => {
  const refuse = async (change: Record<string, unknown>, format: "gguf" | "gptq", message: string) => {
    await using files = await model("qwen3_moe", change);
    using base = await loadModel(files.directory);
    using one = await quantize(base, { weights: rtn({ bits: 4, groupSize: 32 }) });
    await assertRejects(() => exportModel(one, files.directory, { format }), SchemeError, message);
  };
  await refuse({ norm_topk_prob: false }, "gguf", "shares of experts that are not divided by their sum");
  await refuse({}, "gptq", "it is a mixture of experts");
});

const python = Deno.env.get("QUANTBOOK_PYTHON") ?? "python3";
const script = `
import hashlib, json, sys
import gguf
found = {}
for tensor in gguf.GGUFReader(sys.argv[1]).tensors:
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("float32")
    found[tensor.name] = [list(values.shape), hashlib.sha256(values.tobytes()).hexdigest()]
print(json.dumps(found))`;
const hasPython = await new Deno.Command(python, {
  args: ["-c", "import gguf"],
  stdout: "null",
  stderr: "null",
})
  .output().then(({ success }) => success, () => false);
if (!hasPython) console.log(`skipped: ${python} has no gguf; QUANTBOOK_PYTHON names one that has`);

Deno.test({
  name: "gguf-py reads the same values of every tensor",
  ignore: !hasPython,
  async fn() {
    for (const family of ["mixtral", "qwen3_moe"] as const) {
      await using files = await model(family);
      using base = await loadModel(files.directory);
      for (const [type, scheme] of schemes) {
        using quantized = await quantize(base, scheme);
        await exported(quantized, "gguf", async (file) => {
          const { stdout } = await new Deno.Command(python, { args: ["-c", script, file] }).output();
          const found = JSON.parse(new TextDecoder().decode(stdout));
          const stored = await readGguf(file);
          assertEquals(Object.keys(found).sort(), [...stored.keys()].sort());
          for (const [name, { shape, data }] of stored) {
            const digest = sha256Hex(new Uint8Array(Float32Array.from(data, Number).buffer));
            assertEquals(found[name], [shape, digest], `${family} ${type} ${name}`);
          }
        });
      }
    }
  },
});
