/** Exported files hold the quantized weights: read back by the formats' own formulas, and run by ONNX Runtime. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { readGguf } from "../../model/gguf/file.ts";
import { splitRow } from "../../model/gguf/names.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { type RawTensor, readSafetensors } from "../../model/safetensors.ts";
import { type ExportFormat, exportModel } from "./export.ts";
import { kivi } from "../methods/kivi.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { quantize } from "../quantize.ts";
import { storedWeight } from "../weights/linear.ts";
import { quarot } from "../methods/quarot.ts";
import { rtn } from "../methods/rtn.ts";
import type { Scheme } from "../scheme.ts";
import { SchemeError } from "../error.ts";
import { base, calibration, exported, ids, quantizedBy, schemes } from "./export_testing.ts";

/** The values of a weight whose scales are rounded to float16: what the formats can hold of it. */
function halved(weight: UniformWeight): Float32Array {
  const { shape, bits, groupSize, permutation } = weight;
  const scales = weight.scales.map(Math.f16round);
  const parts = { shape, bits, groupSize, scales, codes: weight.codes(), zeros: weight.zeros() };
  return new UniformWeight({ ...parts, ...(permutation && { permutation }) }).dequantize();
}

function uniform(model: Model, layer: number, role: "q" | "up"): UniformWeight {
  const packed = storedWeight(model, layer, role);
  assert(packed instanceof UniformWeight);
  return packed;
}

/** Value `i` of `bits`-bit values in words of 32 bits. */
const field = (word: number | bigint, i: number, bits: number) =>
  (Number(word) >>> (bits * i)) & (2 ** bits - 1);

Deno.test("GPTQ files decode to the weights by AutoGPTQ's formula", async () => {
  for (const label of Object.keys(schemes)) {
    const model = await quantizedBy(label);
    await exported(model, "gptq", async (file, directory) => {
      const tensors = await readSafetensors(file);
      const { quantization_config: config } = JSON.parse(await Deno.readTextFile(`${directory}/config.json`));
      assertEquals(config.desc_act, label === "ordered");
      for (const [layer, role, name] of [[0, "q", "self_attn.q_proj"], [3, "up", "mlp.up_proj"]] as const) {
        const get = (kind: string): RawTensor => {
          const found = tensors.get(`model.layers.${layer}.${name}.${kind}`);
          assert(found !== undefined, kind);
          return found;
        };
        const weight = uniform(model, layer, role), expected = halved(weight);
        const [out, inputs] = weight.shape, perWord = 32 / config.bits;
        const [codes, zeros, scales, groups] = ["qweight", "qzeros", "scales", "g_idx"].map((kind) =>
          get(kind).data
        );
        assertEquals(get("qweight").shape, [inputs / perWord, out]);
        const offset = config.checkpoint_format === "gptq" ? 1 : 0;
        let wrong = 0;
        for (let k = 0; k < inputs; k++) {
          for (let n = 0; n < out; n++) {
            const code = field(codes[Math.floor(k / perWord) * out + n], k % perWord, config.bits);
            const group = Number(groups[k]);
            const word = zeros[group * (out / perWord) + Math.floor(n / perWord)];
            const zero = field(word, n % perWord, config.bits) + offset;
            const value = Math.fround(Number(scales[group * out + n]) * (code - zero));
            wrong += Number(value !== expected[n * inputs + k]);
          }
        }
        assertEquals(wrong, 0, `${label} ${name}`);
      }
    });
  }
});

Deno.test("compressed-tensors files decode to the weights by the library's formula", async () => {
  for (const label of Object.keys(schemes)) {
    const model = await quantizedBy(label);
    if (label === "ordered") {
      const refused = exportModel(model, "unused", { format: "compressed-tensors" });
      await assertRejects(() => refused, SchemeError, "no neighbours");
      continue;
    }
    await exported(model, "compressed-tensors", async (file, directory) => {
      const tensors = await readSafetensors(file);
      const { quantization_config } = JSON.parse(await Deno.readTextFile(`${directory}/config.json`));
      const { num_bits: bits, symmetric } = quantization_config.config_groups.group_0.weights;
      const get = (kind: string) => tensors.get(`model.layers.0.self_attn.q_proj.${kind}`);
      const weight = uniform(model, 0, "q"), expected = halved(weight);
      const [out, inputs] = weight.shape, perWord = 32 / bits, half = 2 ** (bits - 1);
      const packed = get("weight_packed"), scale = get("weight_scale"), zeroPoint = get("weight_zero_point");
      assert(packed && scale && (zeroPoint === undefined) === symmetric);
      assertEquals(Array.from(get("weight_shape")?.data ?? [], Number), [out, inputs]);
      const groups = scale.shape[1];
      let wrong = 0;
      for (let n = 0; n < out; n++) {
        for (let k = 0; k < inputs; k++) {
          const code =
            field(packed.data[n * (inputs / perWord) + Math.floor(k / perWord)], k % perWord, bits) - half;
          const group = Math.floor(k / (inputs / groups));
          const word = zeroPoint?.data[Math.floor(n / perWord) * groups + group];
          const zero = word === undefined ? 0 : field(word, n % perWord, bits) - half;
          const value = Math.fround(Number(scale.data[n * groups + group]) * (code - zero));
          wrong += Number(value !== expected[n * inputs + k]);
        }
      }
      assertEquals(wrong, 0, label);
    });
  }
});

Deno.test("GGUF files hold codes where a block type can, and load as the same model", async () => {
  const types: Record<string, string> = {
    symmetric: "Q4_0",
    asymmetric: "Q4_1",
    eight: "Q8_0",
    ordered: "F16",
    smoothed: "F16",
  };
  for (const label of Object.keys(schemes)) {
    const model = await quantizedBy(label);
    await exported(model, "gguf", async (file) => {
      const tensors = await readGguf(file);
      const query = tensors.get("blk.0.attn_q.weight"), up = tensors.get("blk.3.ffn_up.weight");
      assert(query && up);
      assertEquals([query.dtype, up.dtype], [types[label], types[label]], label);
      const { headDim } = model.architecture, weight = uniform(model, 0, "q"), [rows, columns] = weight.shape;
      const expected = types[label] === "F16" ? weight.dequantize().map(Math.f16round) : halved(weight);
      // Q4_1 adds a minimum rounded to float16: half a unit in its last place, relative to the largest it can be.
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const bound = types[label] === "Q4_1" ? 2 ** -11 * largest : 0;
      for (let row = 0; row < rows; row++) {
        const from = splitRow(row, headDim) * columns;
        const found = query.data.subarray(row * columns, (row + 1) * columns);
        assert(
          found.every((value, i) => Math.abs(value - expected[from + i]) <= bound),
          `${label} row ${row}`,
        );
      }
      // Three of them say all that differs.
      if (label === "ordered" || label === "smoothed") return;
      using again = await loadModel(file);
      assertEquals(
        again.tokenizer.encode("My fellow citizens, 1862"),
        model.tokenizer.encode("My fellow citizens, 1862"),
      );
      const [found, wanted] = [await again.logits(ids), await model.logits(ids)];
      const size = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const error = found.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i])), 0);
      // Weights and scales are rounded to 11 bits once more, in layers that add up.
      assertLess(error, size * 2 ** -11 * 2 * Math.sqrt(4 * model.architecture.layers + 2), label);
    });
  }
});

Deno.test("what a format cannot say is refused by name", async () => {
  const directory = await Deno.makeTempDir();
  const refuses = async (scheme: Scheme, format: ExportFormat, message: string) => {
    using model = await quantize(base, scheme, { calibration });
    await assertRejects(() => exportModel(model, directory, { format }), SchemeError, message);
  };
  await refuses({ kv: kivi({ bits: 4 }) }, "onnx", "its cache is quantized");
  await refuses({ activations: rtn({ bits: 8 }) }, "gptq", "quantized on the fly");
  await refuses({ weights: rtn({ bits: 3, groupSize: 32 }) }, "gptq", "3 bits");
  await refuses({}, "compressed-tensors", "no weight is quantized");
  await assertRejects(
    () => exportModel(base, directory, { format: "tflite" as "onnx" }),
    SchemeError,
    "format",
  );
  await Deno.remove(directory, { recursive: true });
});

Deno.test("a rotation of hidden states is exported with its untied head, what turns for every token is refused by name", async () => {
  const offline = quarot({ values: false, down: false, keys: false });
  const weights = rtn({ bits: 4, groupSize: 32, symmetric: true, codes: "offsetBinary" });
  using rotated = await quantize(base, { transforms: [offline], weights });
  const expected = await rotated.logits(ids);
  for (const format of ["gguf", "gptq", "compressed-tensors"] as const) {
    await exported(rotated, format, async (file, directory) => {
      if (format === "gguf") {
        using again = await loadModel(file);
        const found = await again.logits(ids);
        const size = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
        // Scales, embedding and head are rounded to float16.
        assertLess(found.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i])), 0), 0.01 * size);
        return;
      }
      const { tie_word_embeddings } = JSON.parse(await Deno.readTextFile(`${directory}/config.json`));
      assertEquals(tie_word_embeddings, false);
      const tensors = await readSafetensors(file), head = tensors.get("lm_head.weight");
      assert(head !== undefined);
      assertEquals(Float32Array.from(head.data, Number), (await rotated.head.values()).map(Math.f16round));
    });
  }
  for (
    const [part, name] of [[{ values: false, keys: false }, "down"], [
      { down: false, keys: false },
      "heads",
    ]] as const
  ) {
    using online = await quantize(base, { transforms: [quarot(part)], weights });
    for (const format of ["gguf", "gptq", "compressed-tensors", "onnx"] as const) {
      const refused = () => exportModel(online, "unused", { format });
      await assertRejects(refused, SchemeError, `a Hadamard transform runs for every token (${name})`);
    }
  }
  using opt = await loadModel("fixture:opt");
  using renormed = await quantize(opt, { transforms: [offline], weights: rtn({ bits: 4, groupSize: 32 }) });
  await assertRejects(
    () => exportModel(renormed, "unused", { format: "gptq" }),
    SchemeError,
    "remove no mean any more",
  );
  using split = await quantize(base, { weights, head: rtn({ bits: 8 }) });
  await assertRejects(() => exportModel(split, "unused", { format: "gptq" }), SchemeError, "quantized apart");
});

Deno.test("linear layers that stay float are named to the runtimes, and only they", async () => {
  using base = await loadModel("fixture:llama");
  const weights = rtn({ bits: 4, groupSize: 32, symmetric: true });
  using some = await quantize(base, {
    weights,
    overrides: [{ layers: [1], linears: ["down"], weights: "float" }],
  });
  const config = async (model: Model, format: "gptq" | "compressed-tensors") => {
    let found: Record<string, unknown> = {};
    await exported(model, format, async (file) => {
      const text = await Deno.readTextFile(file.replace(/[^/]+$/, "config.json"));
      found = JSON.parse(text).quantization_config;
    });
    return found;
  };
  const name = "model.layers.1.mlp.down_proj";
  assertEquals((await config(some, "compressed-tensors")).ignore, ["lm_head", name]);
  const [pattern, ...others] = Object.keys((await config(some, "gptq")).dynamic as Record<string, unknown>);
  assertEquals(others, []);
  // GPTQModel: "-:" leaves out the modules whose names the pattern matches from their beginning.
  const left = new RegExp(pattern.replace("-:", ""));
  assertEquals(
    [name, "model.layers.1.mlp.up_proj", "model.layers.11.mlp.down_proj"].map((one) => left.test(one)),
    [true, false, false],
  );
  using all = await quantize(base, { weights });
  assertEquals((await config(all, "gptq")).dynamic, undefined);
});
