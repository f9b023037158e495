/**
 * Keys of GGUF files by rule: read, harmless, refused by name, or told (llama.cpp pulls 2772, 4040 and 6187, textgen pulls 3877 and 6111,
 * transformers issue 32266: files whose keys were passed over).
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { CheckpointError } from "../files/error.ts";
import { architectureOf } from "../families.ts";
import { ggufCheckpoint } from "./checkpoint.ts";
import type { GgufFile } from "./file.ts";
import type { GgufTensor, GgufValue } from "./header.ts";
import { ggufTypes } from "./types.ts";

const [type] = ggufTypes;

/** A Llama of two layers with nothing in its tensors, and these keys. */
function llama(keys: Record<string, GgufValue | undefined>, ...more: string[]): GgufFile {
  const usual: Record<string, GgufValue | undefined> = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 128,
    "llama.embedding_length": 32,
    "llama.feed_forward_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
  };
  const metadata = new Map(
    Object.entries({ ...usual, ...keys }).filter((pair): pair is [string, GgufValue] =>
      pair[1] !== undefined
    ),
  );
  const tensor: GgufTensor = { type, shape: [8, 32], offset: 0, byteLength: 1024 };
  const tensors = new Map(["token_embd.weight", ...more].map((name) => [name, tensor]));
  return {
    path: "a.gguf",
    paths: ["a.gguf"],
    byteLength: 0,
    metadata,
    tensors,
    read: () => Promise.reject(),
  };
}

async function positions(keys: Record<string, GgufValue>) {
  return architectureOf((await ggufCheckpoint(llama(keys))).config).positions;
}

const scaling = (rest: Record<string, GgufValue>) =>
  Object.fromEntries(Object.entries(rest).map(([key, value]) => [`llama.rope.${key}`, value]));

Deno.test("a factor counts under its old name, and without a kind; a kind of none switches it off", async () => {
  const plain = await positions({}),
    linear = await positions(scaling({ "scaling.type": "linear", "scaling.factor": 4 }));
  assert(JSON.stringify(plain) !== JSON.stringify(linear));
  assertEquals(await positions(scaling({ "scale_linear": 4 })), linear);
  assertEquals(await positions(scaling({ "scaling.factor": 4 })), linear);
  assertEquals(await positions(scaling({ "scaling.factor": 4, "scaling.type": "none" })), plain);
  assertEquals(await positions(scaling({ "scaling.factor": 0, "scaling.finetuned": true })), plain);
  const yarn = { "scaling.type": "yarn", "scaling.factor": 4, "scaling.original_context_length": 64 };
  const [one, other] = await Promise.all(
    [yarn, { ...yarn, "scaling.yarn_beta_fast": 16, "scaling.attn_factor": 2 }].map((keys) =>
      positions(scaling(keys))
    ),
  );
  assert(JSON.stringify(one) !== JSON.stringify(other));
});

Deno.test("numbers are read in every width that a file may have, and for every layer at once", async () => {
  const checkpoint = await ggufCheckpoint(llama({
    "llama.block_count": 2n,
    "llama.attention.head_count": [4, 4],
    "llama.feed_forward_length": [64n, 64n],
    "llama.context_length": 2n ** 40n,
  }));
  const { layers, heads, intermediateSize, maxPositions } = architectureOf(checkpoint.config);
  assertEquals([layers, heads, intermediateSize, maxPositions], [2, 4, 64, 2 ** 40]);
  await assertRejects(
    () => ggufCheckpoint(llama({ "llama.attention.head_count": [4, 2] })),
    CheckpointError,
    "llama.attention.head_count",
  );
});

Deno.test("what changes the result and is not known is refused by its key", async () => {
  for (
    const [key, value] of [
      ["llama.rope.new_rule", 1],
      ["llama.attention.causal", false],
      ["llama.attention.value_length", 16],
      ["llama.logit_scale", 0.5],
      ["llama.expert_count", 8],
      ["llama.final_logit_softcapping", 30],
      ["llama.residual_scale", 0.5],
      ["llama.rope.dimension_count", 4],
      ["llama.rope.scaling.yarn_ext_factor", 0.5],
      ["general.type", "adapter"],
      ["general.architecture", "clip"],
      ["llama.context_length", undefined],
    ] as const
  ) {
    await assertRejects(() => ggufCheckpoint(llama({ [key]: value })), CheckpointError, key);
  }
});

Deno.test("harmless keys are silent, neutral ones too, others are told", async () => {
  const checkpoint = await ggufCheckpoint(llama({
    "general.license": "mit",
    "general.quantization_version": 2,
    "quantize.imatrix.file": "x",
    "llama.vocab_size": 8,
    "llama.tensor_data_layout": "Meta AI original pth",
    "llama.attention.causal": true,
    "llama.logit_scale": 1,
    "llama.expert_count": 0,
    "llama.pooling": 3,
    "other.key": [1, 2],
  }));
  assertEquals(checkpoint.notices.filter((notice) => notice.includes("gguf")), [
    "a.gguf: llama.pooling (3) is not known here and was not used",
    "a.gguf: other.key ([1,2]) is not known here and was not used",
  ]);
});

Deno.test("a vocabulary without weights says that it is one", async () => {
  const { tensors: _, ...file } = llama({});
  await assertRejects(
    () => ggufCheckpoint({ ...file, tensors: new Map() }),
    CheckpointError,
    `no tensor "token_embd.weight": the file has none, only a vocabulary`,
  );
});
