/** The table of fields: transformers' defaults, nothing read that is not declared, and each rule broken on purpose is noticed. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { architectureOf } from "../families.ts";
import { CheckpointError } from "../files/error.ts";
import { ModelConfig, modelTypes } from "./config.ts";
import { fieldsInWords } from "./fields_doc_testing.ts";
import { harmlessFields, refusedFields, sharedFields } from "./shared_fields.ts";
import { typeFields } from "./fields.ts";
import { parseConfig, readConfig } from "./read_config.ts";

const fixtures = new URL("../../fixtures/", import.meta.url);
const entries: { dir: string; family: string }[] = await json("families/index.json");
const defaults: Record<string, JsonObject> = await json("configs/config_defaults.json");

async function json<T>(path: string): Promise<T> {
  return JSON.parse(await Deno.readTextFile(new URL(path, fixtures)));
}

/** The configuration of the first checkpoint of a type. */
function configOf(type: string): Promise<JsonObject> {
  return json(`families/${entries.find(({ family }) => family === type)?.dir}/config.json`);
}

/** The default of a field in a configuration class, which keeps what rotates in a section. */
function theirs(type: string, key: string): unknown {
  const values = defaults[type], parameters = values["rope_parameters"];
  const section = isJsonObject(parameters) ? parameters : {};
  const [full, sliding] = ["full_attention", "sliding_attention"].map((kind) => {
    const one = section[kind];
    return isJsonObject(one) ? one : section;
  });
  if (key === "rope_theta" || key === "rotary_emb_base") return full["rope_theta"];
  if (key === "rope_local_base_freq") return sliding["rope_theta"];
  if (key === "partial_rotary_factor" || key === "rotary_pct") return section["partial_rotary_factor"];
  if (key === "sliding_window_pattern") return values["_sliding_window_pattern"];
  return values[key];
}

Deno.test("absent fields mean what transformers' classes mean by them", () => {
  // Null stands for a value that follows from another, or for none.
  const computed = [
    "head_dim",
    "num_key_value_heads",
    "num_kv_heads",
    "ffn_hidden_size",
    "word_embed_proj_dim",
    "intermediate_size",
    "time_step_rank",
  ];
  for (const type of modelTypes) {
    for (const [key, ours] of Object.entries(typeFields[type].defaults)) {
      const other = theirs(type, key) ?? null, switched = defaults[type]["use_sliding_window"] === false;
      if (ours === null && (other === null || computed.includes(key) || key === "no_rope_layers")) continue;
      // The class takes a window away that is not switched on; Bloom's positions have no limit there.
      if (key === "sliding_window" && switched || type === "bloom" && key === "seq_length") continue;
      assertEquals([type, key, ours], [type, key, other]);
    }
  }
});

Deno.test("every field of transformers' classes is in one of the lists", () => {
  const listed = [
    ...sharedFields,
    ...harmlessFields,
    ...Object.keys(refusedFields),
    "rope_parameters",
    "_sliding_window_pattern",
  ];
  for (const type of modelTypes) {
    const { required, defaults: read, refused = {}, harmless = [] } = typeFields[type];
    const known = [...listed, ...required, ...Object.keys(read), ...Object.keys(refused), ...harmless];
    const covers = (key: string) =>
      known.some((name) => name.endsWith("*") ? key.startsWith(name.slice(0, -1)) : name === key);
    assertEquals([type, ...Object.keys(defaults[type]).filter((key) => !covers(key))], [type]);
  }
});

Deno.test("families read what the table declares and nothing else", async () => {
  for (const { dir, family } of entries) {
    const config = await readConfig(`fixtures/families/${dir}`), seen = new Set<string>();
    const spy = (values: JsonObject) =>
      new Proxy(values, {
        getOwnPropertyDescriptor(target, key) {
          seen.add(String(key));
          return Reflect.getOwnPropertyDescriptor(target, key);
        },
      });
    const { source, values, defaults: absent } = config;
    architectureOf(new ModelConfig(source, spy(values), spy(absent)));
    const type = modelTypes.find((one) => one === family) ?? modelTypes[0];
    const { required, defaults: read, refused = {} } = typeFields[type];
    const known = ["model_type", "layer_types", "rope_scaling", "rope_parameters", ...required]
      .concat(Object.keys(read), Object.keys(refused), "sliding_window", "partial_rotary_factor");
    // Llama reads these for types that have none, and they were refused before.
    const base = ["rms_norm_eps", "attention_bias", "mlp_bias", "rope_theta", "attn_logit_softcapping"];
    base.push("intermediate_size", "num_key_value_heads", "max_position_embeddings");
    assertEquals([dir, ...[...seen].filter((key) => ![...known, ...base].includes(key))], [dir]);
  }
});

Deno.test("planted in every type: a field with a wrong value is refused by name, an unknown one told, a harmless one not", async () => {
  for (const type of modelTypes) {
    const values = await configOf(type), { refused = {}, harmless = [] } = typeFields[type];
    const read = (change: JsonObject) => parseConfig(JSON.stringify({ ...values, ...change }), type);
    assertEquals([type, ...read({}).notices], [type]);
    for (const [key, accepted] of Object.entries({ ...refusedFields, ...refused })) {
      const error = assertThrows(() => read({ [key]: "planted" }), CheckpointError, key);
      assertEquals(error.code, "config");
      for (const value of [...accepted, null]) {
        assertEquals([type, key, ...read({ [key]: value }).notices], [type, key]);
      }
    }
    for (const key of [...harmlessFields, ...harmless]) {
      const name = key.replace("*", "x"),
        value = name === "attention_bias" ? true : /^n_inner|window/.test(name) ? 1 : "planted";
      assertEquals([type, ...read({ [name]: value }).notices], [type]);
    }
    const notices = read({ planted_scale: 2, planted_nothing: null }).notices;
    assertEquals(notices, [`${type}: planted_scale (2) is not known here and was not used`]);
  }
});

Deno.test("planted: unknown fields of sections, other heads, and two sections that differ are told", async () => {
  const values = await configOf("llama");
  const read = (change: JsonObject) => parseConfig(JSON.stringify({ ...values, ...change }), "c").notices;
  const linear = { rope_type: "linear", factor: 2, spiral: 3 };
  assertEquals(read({ rope_parameters: linear }), [
    "c: rope_parameters: spiral (3) is not known here and was not used",
  ]);
  const [two, ...others] = read({ rope_scaling: { rope_type: "linear", factor: 2 } });
  assertEquals(others, []);
  assertStringIncludes(two, "rope_parameters was not used: rope_scaling goes first");
  for (
    const name of [
      "LlamaForSequenceClassification",
      "LlamaBiModelForTokenClassification",
      "GPT2DoubleHeadsModel",
    ]
  ) {
    const [told, ...rest] = read({ architectures: [name] });
    assertEquals(rest, []);
    assertStringIncludes(told, name);
  }
  assertEquals(read({ architectures: ["LlamaModel"] }), []);
  const falcon = parseConfig(JSON.stringify({ ...await configOf("falcon"), alibi: true }), "c").notices;
  assertEquals(falcon, [
    "c: alibi is true: transformers rounds the position biases to bfloat16, this suite does not",
  ]);
});

Deno.test("planted in every type: a kind of layer that nobody computes there is refused by the name of its list", async () => {
  const odd = [
    "nonesuch_attention",
    "chunked_attention",
    "linear_attention",
    "attention",
    "toString",
    "",
    null,
    1,
    [],
  ];
  for (const type of modelTypes) {
    const values = await configOf(type), layers = Number(values["num_hidden_layers"] ?? values["n_layer"]);
    const plain = { ...values, use_sliding_window: undefined, sliding_window: null, layer_types: null };
    const read = (layer_types: unknown) =>
      architectureOf(parseConfig(JSON.stringify({ ...plain, layer_types }), type));
    const full = Array(layers).fill("full_attention");
    if (type === "mamba") {
      assertThrows(() => read(full), CheckpointError, "layer_types");
      continue;
    }
    assertEquals(read(full).windowLayers ?? [], []);
    const lists: unknown[] = odd.map((entry) => full.with(-1, entry));
    // No window is stated, so nothing can slide.
    lists.push(
      full.slice(1),
      [...full, "full_attention"],
      "full_attention",
      {},
      full.with(0, "sliding_attention"),
    );
    for (const list of lists) {
      const error = assertThrows(() => read(list), CheckpointError);
      assertMatch(error.message, /layer_types|sliding_window must/, `${type} ${JSON.stringify(list)}`);
    }
  }
});

Deno.test("planted: lists that choose what a layer computes are refused where their entries mean nothing", async () => {
  const wrong: readonly (readonly [type: string, key: string, value: unknown])[] = [
    ...[[0, 2], [0], ["1", "0"], [null, 1], [true, false], "1"].map((value) =>
      ["smollm3", "no_rope_layers", value] as const
    ),
    ...[["0"], [null], [0.5], "0"].map((value) => ["qwen3_moe", "mlp_only_layers", value] as const),
    ["qwen3_moe", "decoder_sparse_step", 0],
    ["smollm3", "no_rope_layer_interval", 0],
    ["gemma3_text", "sliding_window_pattern", 0],
    ["gemma3_text", "sliding_window_pattern", null],
    ["qwen2", "max_window_layers", "2"],
    ["qwen2", "use_sliding_window", 1],
    ["gemma2", "attn_logit_softcapping", 0],
    ["gptj", "rotary_dim", null],
    ["gptj", "rotary_dim", 3],
  ];
  for (const [type, key, value] of wrong) {
    const { layer_types: _, no_rope_layers: __, ...values } = await configOf(type);
    const read = () =>
      architectureOf(
        parseConfig(
          JSON.stringify({ ...values, sliding_window: 4, use_sliding_window: true, [key]: value }),
          type,
        ),
      );
    assertThrows(read, CheckpointError, key);
  }
});

Deno.test("two names of one field may agree, and must", async () => {
  const values = await configOf("gpt2");
  const read = (change: JsonObject) => parseConfig(JSON.stringify({ ...values, ...change }), "c");
  assertEquals(read({ hidden_size: values["n_embd"] }).integer("n_embd"), values["n_embd"]);
  assertThrows(() => read({ hidden_size: 7 }), CheckpointError, "hidden_size must be");
  const { n_embd, ...rest } = values;
  assertEquals(parseConfig(JSON.stringify({ ...rest, hidden_size: n_embd }), "c").integer("n_embd"), n_embd);
});

Deno.test("Python's Infinity and NaN are read where they do not matter, and refused by name where they do", async () => {
  const text = JSON.stringify({
    ...await configOf("llama"),
    time_step_limit: [0, "inf"],
    rms_norm_eps: "eps",
  });
  const of = (limit: string, eps: string) =>
    parseConfig(text.replace('"inf"', limit).replace('"eps"', eps), "c");
  const [told, ...others] = of("Infinity", "1e-5").notices;
  assertStringIncludes(told, "time_step_limit ([0,Infinity])");
  assertEquals(others, []);
  for (const value of ["NaN", "Infinity", "-Infinity"]) {
    const error = assertThrows(() => of("1", value), CheckpointError, "rms_norm_eps must be");
    assert(error.message.includes(`got ${value}, which is no number of JSON`), error.message);
  }
});

Deno.test("docs/models.md has the table (deno run -A model/checkpoint/fields_doc_testing.ts)", async () => {
  const words = (text: string) => text.replaceAll(/\s+/g, " ").trim();
  const docs = words(await Deno.readTextFile(new URL("../docs/models.md", fixtures)));
  assertStringIncludes(docs, words(fieldsInWords()));
});

Deno.test("what the files of well-known models say is known: nothing is told of them", async () => {
  // Fields that are in their published config.json and in no configuration class; values as there.
  const published: readonly (readonly [type: string, fields: JsonObject])[] = [
    ["llama", { is_llama_config: true, rope_interleaved: false, "transformers.js_config": { dtype: "q4" } }],
    ["llama", { max_sequence_length: 2048, pretraining_tp: 1, rope_scaling: null, unsloth_fixed: true }],
    ["gemma", { hidden_act: "gelu", hidden_activation: null }],
    ["gemma2", { cache_implementation: "hybrid", hidden_act: "gelu_pytorch_tanh" }],
    ["falcon", { apply_residual_connection_post_layernorm: false, gradient_checkpointing: false }],
    ["gpt2", { n_ctx: 1024, summary_first_dropout: 0.1, task_specific_params: { "text-generation": {} } }],
    ["gptj", { rotary: true, scale_attn_weights: true, tokenizer_class: "GPT2Tokenizer" }],
    ["bloom", {
      attention_softmax_in_fp32: true,
      masked_softmax_fusion: true,
      n_inner: null,
      offset_alibi: 100,
    }],
    ["opt", { activation_dropout: 0, layerdrop: 0, prefix: "</s>" }],
    ["starcoder2", {
      activation_function: "gelu_pytorch_tanh",
      mlp_type: "default",
      norm_type: "layer_norm",
    }],
    ["starcoder2", { attention_softmax_in_fp32: true, scale_attention_softmax_in_fp32: true }],
    ["cohere", { model_max_length: 131072, use_qk_norm: false }],
    ["qwen2", { max_window_layers: 21, sliding_window: 32768, use_sliding_window: false, use_mrope: false }],
  ];
  for (const [type, fields] of published) {
    const text = JSON.stringify({ ...await configOf(type), ...fields });
    assertEquals([type, ...parseConfig(text, type).notices], [type]);
  }
});
