/** Where two models have different rows, or logits are no numbers: public reports against other tools, see `docs/field.md`. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { RawTensor } from "../../model/safetensors.ts";
import { variantOf, withRows } from "../../model/checkpoint/variant_testing.ts";
import { ModelError } from "../../model/error.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { awq } from "../../quant/methods/awq.ts";
import { gptq } from "../../quant/methods/gptq.ts";
import { kvquant } from "../../quant/methods/kvquant.ts";
import { smoothQuant } from "../../quant/methods/smoothquant.ts";
import { quantize } from "../../quant/quantize.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { corpus } from "../corpus.ts";
import { needle } from "../generation/needle.ts";
import { evaluateTask } from "../tasks/evaluate.ts";
import { CorpusError } from "../windows.ts";
import { divergence, windowDivergence } from "./divergence.ts";
import { perplexity } from "./perplexity.ts";

const embedding = "model.embed_tokens.weight";

function replace(tensors: Map<string, RawTensor>, name: string, make: (one: RawTensor) => RawTensor): void {
  const one = tensors.get(name);
  if (one === undefined) throw new Error(`no tensor ${name}`);
  tensors.set(name, make(one));
}

Deno.test("padding rows are no tokens: the divergence is about those that both models have", async () => {
  await using padded = await variantOf("models/llama", {
    config: { vocab_size: 2112 },
    tensors: (all) => replace(all, embedding, (one) => withRows(one, 2112)),
  });
  using a = await loadModel("fixture:llama");
  using b = await loadModel(padded.directory);
  const windows = await corpus("sotu", { windows: 2, length: 64 });
  for (const [model, reference] of [[a, b], [b, a]]) {
    const { value, top1Agreement } = await divergence(model, reference, windows);
    // The same logits: what is left is float32's rounding of the two normalizations.
    assertAlmostEquals(value, 0, 1e-6);
    assertEquals(top1Agreement, 1);
  }
});

Deno.test("over common tokens the divergence is that of the conditional distributions, in float64", () => {
  const logSoftmax = (logits: readonly number[]) => {
    const sum = logits.reduce((total, one) => total + Math.exp(one), 0);
    return logits.map((one) => one - Math.log(sum));
  };
  const p = [0.3, -1.2, 2.5, 0.1], q = [0.2, 0.4, 1.5];
  const [conditional, other] = [logSoftmax(p.slice(0, 3)), logSoftmax(q)];
  const expected = conditional.reduce((sum, one, i) => sum + Math.exp(one) * (one - other[i]), 0);
  const { kl } = windowDivergence(Float32Array.from(logSoftmax(p)), Float32Array.from(logSoftmax(q)), [4, 3]);
  assertAlmostEquals(kl, expected, 1e-6);
});

Deno.test("models of different tokenizers have no divergence", async () => {
  await using bare = await variantOf("families/llama_mha", {});
  using model = await loadModel("fixture:llama");
  using other = await loadModel(bare.directory);
  const windows = [Int32Array.of(1, 2, 3)];
  const error = await assertRejects(() => divergence(model, other, windows), CorpusError);
  const rows = other.architecture.vocabularySize;
  assert(error.message.includes("2048") && error.message.includes(String(rows)), error.message);
});

Deno.test("a row of padding is never generated", async () => {
  await using padded = await variantOf("models/llama", {
    config: { vocab_size: 4096 },
    // The second half of the head repeats the first, twice as large: it wins wherever a logit is positive.
    tensors: (all) => {
      const head = withRows(all.get(embedding) ?? fail(), 4096, "again");
      for (let i = head.data.length / 2; i < head.data.length; i++) head.data[i] = 2 * Number(head.data[i]);
      all.set(embedding, head);
    },
  });
  using model = await loadModel(padded.directory);
  const ids = model.tokenizer.encode("the");
  const error = await assertRejects(() => model.generate(ids), ModelError);
  assertEquals(error.code, "token");
  assert(/2048 tokens/.test(error.message), error.message);
});

Deno.test("a token without a row is refused by its id, also as the last one of an answer", async () => {
  await using short = await variantOf("models/llama", {
    config: { vocab_size: 300 },
    tensors: (all) =>
      replace(all, embedding, ({ dtype, data, shape: [, width] }) => ({
        dtype,
        shape: [300, width],
        data: data.slice(0, 300 * width),
      })),
  });
  using model = await loadModel(short.directory);
  await assertRejects(() => perplexity(model, [Int32Array.of(1, 2, 300)]), ModelError, "300");
  await assertRejects(() => evaluateTask(model, "arc_easy", { limit: 1 }), ModelError, "expected 0 to 299");
});

/** A row of zeros, as padding rows are, and an epsilon of 0: the norm is 0/0. Token 700 is never a number. */
function broken() {
  return variantOf("models/llama", {
    config: { rms_norm_eps: 0 },
    tensors: (all) =>
      replace(all, embedding, ({ shape, data }) => {
        const rows = Float32Array.from(data, Number);
        return { dtype: "F16", shape, data: rows.fill(0, 700 * shape[1], 701 * shape[1]) };
      }),
  });
}

Deno.test("what is no number stops with the token and the layer where it began", async (t) => {
  await using llama = await broken();
  using model = await loadModel(llama.directory);
  using plain = await loadModel("fixture:llama");
  const bad = [Int32Array.of(5, 9, 700, 11, 12)], good = [Int32Array.of(5, 9, 11, 12)];
  const text = model.tokenizer.decode([700]).trim();
  const rows = [{
    question: `${text} ${text}`,
    choices: { text: ["a", "b"], label: ["A", "B"] },
    answerKey: "A",
    id: "1",
  }];
  const calibrated = (scheme: Scheme) => () => quantize(model, scheme, { calibration: bad });
  const cases: Record<string, () => Promise<unknown>> = {
    perplexity: () => perplexity(model, bad),
    "divergence from it": () => divergence(plain, model, bad),
    "divergence of it": () => divergence(model, plain, bad),
    logits: () => model.logits(bad[0]),
    greedy: () => model.generate(bad[0], { maxNewTokens: 1 }),
    sampled: () => model.generate(bad[0], { maxNewTokens: 1, temperature: 1 }),
    task: () => evaluateTask(model, "arc_easy", { data: { examples: rows } }),
    gptq: calibrated({ weights: gptq({ bits: 4 }) }),
    awq: calibrated({ weights: awq({ bits: 4 }) }),
    smoothQuant: calibrated({ transforms: [smoothQuant()] }),
    kvquant: calibrated({ kv: kvquant({ bits: 4 }) }),
  };
  for (const [name, run] of Object.entries(cases)) {
    await t.step(name, async () => {
      const error = await assertRejects(run, ModelError);
      assertEquals(error.code, "nan", error.message);
    });
  }
  const { message } = await assertRejects(() => perplexity(model, bad), ModelError);
  assert(message.includes("token 2 (id 700)") && message.includes("layer 0"), message);
  assert(Number.isFinite((await perplexity(model, good)).value));
});

Deno.test("infinite logits are no numbers either", async () => {
  await using wide = await variantOf("models/llama", {
    tensors: (all) =>
      replace(all, embedding, (one) => {
        const { shape } = one, data = Float32Array.from(one.data, Number);
        data.fill(3e38, 9 * shape[1], 10 * shape[1]);
        return { dtype: "F32", shape, data };
      }),
  });
  using model: Model = await loadModel(wide.directory);
  const error = await assertRejects(() => perplexity(model, [Int32Array.of(5, 6, 7)]), ModelError);
  assertEquals(error.code, "nan", error.message);
  await assertRejects(() => needle(model, { depths: [0.5], lengths: [300], keys: 1 }), ModelError);
});

function fail(): never {
  throw new Error("no such tensor");
}
