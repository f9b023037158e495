/** What GGUF can say is written and reads back as the same model; what it cannot is refused by name, and nothing is left. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { variantOf, withRows } from "../../model/checkpoint/variant_testing.ts";
import { readGguf } from "../../model/gguf/file.ts";
import { loadModel } from "../../model/load.ts";
import type { RawTensor } from "../../model/safetensors.ts";
import { SchemeError } from "../error.ts";
import { rtn } from "../methods/rtn.ts";
import { quantize } from "../quantize.ts";
import type { Scheme } from "../scheme.ts";
import { exportModel } from "./export.ts";
import { encodeModelGguf } from "./gguf.ts";
import { exported } from "./export_testing.ts";

const ids = Int32Array.from({ length: 40 }, (_, i) => (i * 29 + 3) % 64);
const families = pathOf(new URL("../../fixtures/families/", import.meta.url));

/** Largest difference of the logits of a model and of its file, in deviations. */
async function roundTrip(directory: string, prompt = ids): Promise<number> {
  using model = await loadModel(directory);
  let distance = NaN;
  await exported(model, "gguf", async (file) => {
    using again = await loadModel(file);
    const [found, meant] = [await again.logits(prompt), await model.logits(prompt)];
    const deviation = Math.sqrt(meant.reduce((sum, value) => sum + value ** 2, 0) / meant.length);
    distance = Math.max(...found.map((value, i) => Math.abs(value - meant[i]))) / deviation;
  });
  return distance;
}

async function refused(directory: string, ...words: string[]): Promise<void> {
  using model = await loadModel(directory);
  const out = await Deno.makeTempDir();
  try {
    const error = await assertRejects(() => exportModel(model, out, { format: "gguf" }), SchemeError);
    for (const word of words) assert(error.message.includes(word), error.message);
    assertEquals([...Deno.readDirSync(out)], []);
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

Deno.test("families and every way of stretching positions are written and read back", async () => {
  for (const name of ["llama_gqa_llama3rope", "llama_yarn", "llama_tied", "qwen2", "qwen3"]) {
    // Weights are rounded to float16.
    assertLess(await roundTrip(`${families}${name}`), 0.01, name);
  }
  const half = Array.from({ length: 32 }, (_, i) => 1 + i / 16);
  for (
    const scaling of [
      { rope_type: "linear", factor: 3 },
      { rope_type: "yarn", factor: 4, original_max_position_embeddings: 256, attention_factor: 1.5 },
      {
        rope_type: "longrope",
        short_factor: half,
        long_factor: half.map((one) => 2 * one),
        factor: 4,
        original_max_position_embeddings: 20,
      },
    ]
  ) {
    await using files = await variantOf("models/llama", { config: { rope_scaling: scaling } });
    assertLess(await roundTrip(files.directory), 0.01, scaling.rope_type);
  }
});

Deno.test("a window, tokens without rows, and rules of tokenizers that llama.cpp has no key for are refused", async () => {
  await refused(`${families}mistral_swa`, "sliding_window");
  const scaling = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 256, beta_fast: 16 };
  await using yarn = await variantOf("models/llama", { config: { rope_scaling: scaling } });
  await refused(yarn.directory, "beta_fast is 16");
  const fewer = (tensors: Map<string, RawTensor>) => {
    const table = tensors.get("model.embed_tokens.weight");
    assert(table !== undefined);
    tensors.set("model.embed_tokens.weight", withRows(table, 2000));
  };
  await using short = await variantOf("models/llama", { config: { vocab_size: 2000 }, tensors: fewer });
  await refused(short.directory, "the model has 2000 rows");
  for (
    const [change, ...words] of [
      [{ normalizer: { type: "Lowercase" } }, "normalizer"],
      [{ added_tokens: [{ id: 3, content: "<x>", special: true, rstrip: true }] }, "<x>", "rstrip"],
      [{ model: { type: "Unigram", vocab: [["a", 0]] } }, "Unigram"],
    ] as const
  ) {
    await using files = await variantOf("models/llama", {});
    using model = await loadModel(files.directory);
    const json = JSON.parse(await Deno.readTextFile(`${files.directory}/tokenizer.json`));
    const error = await assertRejects(() => encodeModelGguf(model, { ...json, ...change }), SchemeError);
    for (const word of words) assert(error.message.includes(word), error.message);
  }
});

Deno.test("what float16 does not hold is written in float32", async () => {
  const large = (tensors: Map<string, RawTensor>) => {
    const name = "model.layers.0.mlp.down_proj.weight", one = tensors.get(name);
    assert(one !== undefined);
    const data = Float32Array.from(one.data, Number);
    data[0] = 1e5;
    tensors.set(name, { dtype: "F32", shape: one.shape, data });
  };
  await using files = await variantOf("models/llama", { tensors: large });
  using model = await loadModel(files.directory);
  await exported(model, "gguf", async (file) => {
    const tensors = await readGguf(file), down = tensors.get("blk.0.ffn_down.weight");
    assertEquals([down?.dtype, down?.data[0], tensors.get("blk.1.ffn_down.weight")?.dtype], [
      "F32",
      1e5,
      "F16",
    ]);
  });
});

Deno.test("a GGUF file that is quantized and written again keeps its tokenizer", async () => {
  await exported(await loadModel("fixture:llama"), "gguf", async (file) => {
    using model = await loadModel(file);
    using quantized = await quantize(model, { weights: rtn({ bits: 4, groupSize: 32, symmetric: true }) });
    await exported(quantized, "gguf", async (second) => {
      using again = await loadModel(second);
      const text = "My fellow citizens, 1862";
      assertEquals(again.tokenizer.encode(text), model.tokenizer.encode(text));
      assertEquals([again.tokenizer.bos, again.tokenizer.chatTemplate], [
        model.tokenizer.bos,
        model.tokenizer.chatTemplate,
      ]);
    });
  });
});

Deno.test("a quantized embedding is written in blocks, once where the output projection shares it; unused layers are left out", async () => {
  const eight = rtn({ bits: 8, groupSize: 32, symmetric: true }), four = rtn({ bits: 4, groupSize: 32 });
  const prompt = Int32Array.from({ length: 24 }, (_, i) => (i * 29 + 3) % 64);
  const written = async (directory: string, scheme: Scheme) => {
    using model = await loadModel(directory), quantized = await quantize(model, scheme);
    let types: (string | undefined)[] = [];
    await exported(quantized, "gguf", async (file) => {
      const found = await readGguf(file);
      types = ["token_embd", "output", "blk.2.ffn_up"].map((name) => found.get(`${name}.weight`)?.dtype);
      using again = await loadModel(file);
      const [one, other] = [await again.logits(prompt), await quantized.logits(prompt)];
      const deviation = Math.sqrt(other.reduce((sum, value) => sum + value ** 2, 0) / other.length);
      // Scales are rounded to float16: 2^-11 of each weight.
      assertLess(Math.max(...one.map((value, i) => Math.abs(value - other[i]))) / deviation, 0.01);
    });
    return types;
  };
  await using files = await variantOf("models/llama", { config: { num_hidden_layers: 2 } });
  assertEquals(
    await written(files.directory, { weights: four, head: { weights: eight }, embedding: eight }),
    [
      "Q8_0",
      undefined,
      undefined,
    ],
  );
  const own = `${families}qwen2`, symmetric = rtn({ bits: 4, groupSize: 32, symmetric: true });
  assertEquals(await written(own, { head: { weights: symmetric }, embedding: eight }), [
    "Q8_0",
    "Q4_0",
    undefined,
  ]);
  // Apart, one file cannot say it.
  await assertRejects(
    () => written(files.directory, { head: { weights: symmetric }, embedding: eight }),
    SchemeError,
    "quantized apart",
  );
});

Deno.test("a file that does not say what was meant is noticed: a byte, a key, a token", async () => {
  using model = await loadModel("fixture:llama");
  const json = JSON.parse(
    await Deno.readTextFile(new URL("../../fixtures/models/llama/tokenizer.json", import.meta.url)),
  );
  const { pieces, verify } = await encodeModelGguf(model, json);
  const path = await Deno.makeTempFile();
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
  const place = (text: string) => new TextDecoder("latin1").decode(bytes).indexOf(text) + text.length;
  try {
    await Deno.writeFile(path, bytes);
    await verify(path);
    for (
      const [at, what] of [
        [bytes.length - 200, "model."],
        [place("llama.rope.freq_base") + 4 + 3, "positions"],
        [place("tokenizer.ggml.add_bos_token") + 4, "the ids of"],
      ] as const
    ) {
      const broken = bytes.slice();
      broken[at] ^= 1;
      if (what === "model.") broken[at + 3] ^= 0x7c;
      await Deno.writeFile(path, broken);
      await assertRejects(() => verify(path), SchemeError, `differs from the model in ${what}`);
    }
  } finally {
    await Deno.remove(path);
  }
});
