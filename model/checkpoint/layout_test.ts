/**
 * Names of tensors: tied matrices under either name, base models, text models of multimodal files. The logits are those that transformers
 * computed on the same weights; so are the names, which its save_pretrained gives.
 */
import { assert, assertEquals, assertLess, assertRejects, assertStringIncludes } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { CheckpointError } from "../files/error.ts";
import { loadModel } from "../load.ts";
import { ModelError } from "../error.ts";
import { type RawTensor, readSafetensors, writeSafetensors } from "../safetensors.ts";

const families = pathOf(new URL("../../fixtures/families", import.meta.url));
const entries: { dir: string; family: string }[] = JSON.parse(
  await Deno.readTextFile(`${families}/index.json`),
);

interface Files {
  readonly config: JsonObject;
  readonly tensors: Map<string, RawTensor>;
}

async function filesOf(dir: string): Promise<Files> {
  const config: unknown = JSON.parse(await Deno.readTextFile(`${families}/${dir}/config.json`));
  assert(isJsonObject(config));
  return { config, tensors: await readSafetensors(`${families}/${dir}/model.safetensors`) };
}

/** A directory with these files, in one file or in a shard for each tensor. */
async function written(
  { config, tensors }: Files,
  stack: AsyncDisposableStack,
  shards = false,
): Promise<string> {
  const directory = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(config));
  if (!shards) await writeSafetensors(`${directory}/model.safetensors`, tensors);
  const weight_map: Record<string, string> = {};
  for (const [name, tensor] of shards ? tensors : []) {
    weight_map[name] = `model-${Object.keys(weight_map).length}.safetensors`;
    await writeSafetensors(`${directory}/${weight_map[name]}`, new Map([[name, tensor]]));
  }
  if (!shards) return directory;
  await Deno.writeTextFile(`${directory}/model.safetensors.index.json`, JSON.stringify({ weight_map }));
  return directory;
}

/** Loads a directory, compares its logits with the stored ones of a family, and gives its notices. */
async function noticesOf(directory: string, dir: string): Promise<readonly string[]> {
  const golden = await readSafetensors(`${families}/${dir}/golden.safetensors`);
  const ids = golden.get("input_ids")?.data, logits = golden.get("logits")?.data;
  assert(ids instanceof Int32Array && logits instanceof Float32Array);
  using model = await loadModel(directory);
  const found = await model.logits(ids);
  assertEquals(found.length, logits.length);
  assertLess(found.reduce((worst, value, i) => Math.max(worst, Math.abs(value - logits[i])), 0), 2e-4, dir);
  return model.notices.map((notice) => notice.replace(directory, ""));
}

function renamed(tensors: Files["tensors"], name: (old: string) => string): Files["tensors"] {
  return new Map([...tensors].map(([old, tensor]) => [name(old), tensor]));
}

Deno.test("tied: the one matrix under the head's name, in every tied family, whole and sharded", async () => {
  let tied = 0;
  for (const { dir, family } of entries) {
    const whole = await Deno.stat(`${families}/${dir}/model.safetensors`).then(() => true, () => false);
    if (!whole) continue;
    await using stack = new AsyncDisposableStack();
    using model = await loadModel(`${families}/${dir}`);
    const { embedding, head } = model.architecture;
    const { config, tensors } = await filesOf(dir);
    if (head !== embedding || tensors.has("lm_head.weight")) continue;
    const stored = tensors.has(embedding) ? embedding : embedding.replace(/^\w+\./, "");
    const name = family === "gpt_neox" ? "embed_out.weight" : "lm_head.weight";
    const files = { config, tensors: renamed(tensors, (old) => old === stored ? name : old) };
    assert(!files.tensors.has(stored));
    for (const shards of [false, true]) {
      assertEquals(await noticesOf(await written(files, stack, shards), dir), []);
    }
    tied++;
  }
  assert(tied >= 12, `${tied}`);
});

Deno.test("tied: both names with one matrix, and with two", async () => {
  await using stack = new AsyncDisposableStack();
  assertEquals(await noticesOf(`${families}/llama_tied_redundant`, "llama_tied_redundant"), []);
  // transformers 5 does not tie what differs, and says so.
  const { config, tensors } = await filesOf("llama_mha");
  const directory = await written({ config: { ...config, tie_word_embeddings: true }, tensors }, stack);
  const [notice, ...others] = await noticesOf(directory, "llama_mha");
  assertEquals(others, []);
  assertStringIncludes(
    notice,
    "tie_word_embeddings is true, but lm_head.weight is not model.embed_tokens.weight",
  );
  const short = new Map(tensors).set("lm_head.weight", {
    dtype: "F32",
    shape: [1, 1],
    data: new Float32Array(1),
  });
  const other = await written({ config: { ...config, tie_word_embeddings: true }, tensors: short }, stack);
  await assertRejects(() => loadModel(other), CheckpointError, "lm_head.weight");
});

Deno.test("tied: without either name, and untied without a head, the name is told", async () => {
  await using stack = new AsyncDisposableStack();
  const { config, tensors } = await filesOf("llama_tied");
  const untied = await written({ config: { ...config, tie_word_embeddings: false }, tensors }, stack);
  await assertRejects(() => loadModel(untied), CheckpointError, "lm_head.weight");
  tensors.delete("model.embed_tokens.weight");
  const none = await written({ config, tensors }, stack);
  await assertRejects(() => loadModel(none), CheckpointError, "model.embed_tokens.weight");
});

/** Multimodal types, where their text model's tensors lie, and whether the head has that prefix too. */
const multimodal: readonly (readonly [type: string, prefix: string, head: string, dir: string])[] = [
  ["gemma3", "language_model.model.", "language_model.", "gemma3_text"],
  ["gemma3", "model.language_model.", "", "gemma3_text"],
  ["llava", "language_model.model.", "language_model.", "llama_mha"],
  ["llava_next", "language_model.model.", "language_model.", "mistral_swa"],
  ["mistral3", "language_model.model.", "language_model.", "mistral_swa"],
  ["idefics3", "model.text_model.", "", "llama_mha"],
  ["smolvlm", "model.text_model.", "", "llama_tied"],
  ["internvl", "language_model.model.", "language_model.", "qwen2"],
];

Deno.test("multimodal files: the text model is read, every other part is told", async () => {
  for (const [type, prefix, head, dir] of multimodal) {
    await using stack = new AsyncDisposableStack();
    const { config, tensors } = await filesOf(dir);
    const moved = renamed(
      tensors,
      (name) => name.startsWith("model.") ? prefix + name.slice(6) : head + name,
    );
    moved.set("vision_tower.a.weight", { dtype: "F32", shape: [1], data: new Float32Array(1) });
    moved.set("vision_tower.b.weight", { dtype: "F32", shape: [1], data: new Float32Array(1) });
    const { tie_word_embeddings, ...text_config } = config;
    const outer = {
      ...{ model_type: type, tie_word_embeddings: tie_word_embeddings ?? false, vision_config: { depth: 1 } },
      ...{ text_config, image_token_index: 9, audio_scale: 2 },
    };
    const notices = await noticesOf(await written({ config: outer, tensors: moved }, stack), dir);
    assertEquals(notices.length, 3, `${type}: ${notices.join("; ")}`);
    assertStringIncludes(notices[0], `vision_config is not used: of a ${type} model the text model is read`);
    assertStringIncludes(notices[1], "audio_scale (2) is not known here");
    assertStringIncludes(notices[2], 'tensor "vision_tower.a.weight" and 1 others of that part');
  }
});

Deno.test("a type that is not known is named first, whatever else its file says", async () => {
  await using stack = new AsyncDisposableStack();
  const { config, tensors } = await filesOf("gemma3_text");
  const text = { ...config, quantization_config: {}, hidden_act: "odd", num_attention_heads: 7 };
  const outers: readonly (readonly [values: JsonObject, also: string])[] = [
    [
      { model_type: "gemma9", text_config: text, vision_config: {} },
      'the model_type of its text_config is "gemma3_text"',
    ],
    [
      { model_type: "internvl_chat", llm_config: { model_type: "qwen2" } },
      'the model_type of its llm_config is "qwen2"',
    ],
    [
      { model_type: "gemma3", text_config: { model_type: "gemma9" } },
      'the model_type of its text_config is "gemma9"',
    ],
    [{ model_type: "t5", d_model: 64, num_layers: 2, rope_scaling: { type: 1 } }, "starcoder2"],
    [{ model_type: "rwkv", hidden_size: "x", rms_norm_eps: -1 }, "llama"],
  ];
  for (const [values, also] of outers) {
    const directory = await written({ config: values, tensors }, stack);
    const error = await assertRejects(
      () => loadModel(directory),
      ModelError,
      `model_type is "${values["model_type"]}"`,
    );
    assertEquals(error.code, "family");
    assertStringIncludes(error.message, also);
  }
});

Deno.test("a text model may leave out its sizes where its class has them", async () => {
  await using stack = new AsyncDisposableStack();
  const { tensors } = await filesOf("gemma3_text");
  const directory = await written({ config: { model_type: "gemma3", text_config: {} }, tensors }, stack);
  await assertRejects(() => loadModel(directory), CheckpointError, "[2304]");
  const other = await written({
    config: { model_type: "llava", text_config: { model_type: "olmo" } },
    tensors,
  }, stack);
  await assertRejects(() => loadModel(other), CheckpointError, "vocab_size must be");
});

Deno.test("planted: what no part of the model asks for is told, and strict makes it an error", async () => {
  await using stack = new AsyncDisposableStack();
  const { config, tensors } = await filesOf("llama_mha");
  const one: RawTensor = { dtype: "F32", shape: [1], data: new Float32Array(1) };
  const buffers = ["model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq"];
  for (const name of buffers) tensors.set(name, one);
  assertEquals(await noticesOf(await written({ config, tensors }, stack), "llama_mha"), []);
  tensors.set("model.layers.0.self_attn.q_proj.bias", one).set("score.weight", one);
  for (const shards of [false, true]) {
    const directory = await written({ config, tensors }, stack, shards);
    const index = `${directory}/model.safetensors.index.json`;
    if (shards) {
      const text = await Deno.readTextFile(index);
      await Deno.writeTextFile(index, text.replace("{", '{"scale":2,'));
    }
    assertEquals(await noticesOf(directory, "llama_mha"), [
      ...shards ? ["/model.safetensors.index.json: scale (2) is not known here and was not used"] : [],
      ': tensor "model.layers.0.self_attn.q_proj.bias" is not known here and not used',
      ': tensor "score.weight" is not known here and not used',
    ]);
    const error = await assertRejects(
      () => loadModel(directory, { strict: true }),
      CheckpointError,
      "score.weight",
    );
    assertEquals(error.code, "notice");
  }
});

Deno.test("experts of a layer in one tensor, as transformers 5 writes them when asked, are the same model", async () => {
  const separate =
    /^(model\.layers\.\d+)\.(?:block_sparse_moe|mlp)\.experts\.(\d+)\.(w[123]|\w+_proj)\.weight$/;
  const roles: Readonly<Record<string, string>> = { w1: "gate_proj", w3: "up_proj", w2: "down_proj" };
  for (const dir of ["mixtral", "qwen3_moe"]) {
    await using stack = new AsyncDisposableStack();
    const { config, tensors } = await filesOf(dir);
    const fused = new Map<string, RawTensor>(), groups = new Map<string, Map<string, RawTensor>>();
    for (const [name, tensor] of tensors) {
      const [, layer, expert, matrix] = separate.exec(name) ?? [];
      if (layer === undefined) fused.set(name.replace("block_sparse_moe.gate", "mlp.gate"), tensor);
      else {
        const group = groups.get(layer) ?? new Map<string, RawTensor>();
        groups.set(layer, group.set(`${expert}.${roles[matrix] ?? matrix}`, tensor));
      }
    }
    assert(groups.size > 0);
    for (const [layer, group] of groups) {
      const count = group.size / 3, [width, hidden] = group.get("0.gate_proj")?.shape ?? [];
      const set = (name: string, shape: number[], parts: readonly string[]) => {
        const data = Array.from(
          { length: count },
          (_, expert) =>
            parts.flatMap((part) => Array.from(group.get(`${expert}.${part}`)?.data ?? [], Number)),
        );
        fused.set(`${layer}.mlp.experts.${name}`, {
          dtype: "F32",
          shape,
          data: Float32Array.from(data.flat()),
        });
      };
      set("gate_up_proj", [count, 2 * width, hidden], ["gate_proj", "up_proj"]);
      set("down_proj", [count, hidden, width], ["down_proj"]);
    }
    assertEquals(await noticesOf(await written({ config, tensors: fused }, stack), dir), []);
    const [first] = groups.keys();
    fused.set(`${first}.mlp.experts.down_proj`, {
      dtype: "F32",
      shape: [1, 1, 1],
      data: new Float32Array(1),
    });
    const wrong = await written({ config, tensors: fused }, stack);
    await assertRejects(() => loadModel(wrong), CheckpointError, "experts.down_proj");
  }
});
