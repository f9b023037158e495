/**
 * The habits of lm-evaluation-harness 0.4.8 by kind of model: what it fed tiny checkpoints of Gemma and of Llama, run by
 * `fixtures/made-with/make_task_habits.py`, in tasks of all three kinds.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { JsonObject } from "../../base/json.ts";
import { variantOf, withRows } from "../../model/checkpoint/variant_testing.ts";
import { loadModel } from "../../model/load.ts";
import { type EncoderOptions, harnessLength, taskEncoder } from "./encoder.ts";
import { evaluateTask } from "./evaluate.ts";
import { LikelihoodScorer } from "./likelihood.ts";
import { encodePair, rollingWindows, tokenRequest } from "./requests.ts";
import { answer, askRolling, runGeneration, type TaskRunner } from "./run.ts";
import { gsm8k } from "./sets/gsm8k.ts";
import { wikitext } from "./sets/wikitext.ts";
import { DataRow } from "./row.ts";

interface Scored {
  readonly ctx_ids: number[];
  readonly cont_ids: number[];
  readonly logprob: number;
  readonly is_greedy: boolean;
}

interface Habits {
  readonly family: string;
  readonly options: { add_bos_token?: boolean; prefix_token_id?: number; max_length?: number };
  readonly add_bos_token: boolean;
  readonly prefix_token_id: number;
  readonly max_length: number;
  readonly choices: readonly (Scored & { context: string; continuation: string })[];
  readonly windows: readonly Scored[];
  readonly rolling: number;
  readonly generation: readonly { context: string; ids: number[]; text: string }[];
}

const { page, cases }: { page: string; cases: Habits[] } = JSON.parse(
  await Deno.readTextFile(new URL("../../fixtures/expected/tasks/habits.json", import.meta.url)),
);

/** The fixture of a family with the fixture models' tokenizer, its rows repeated up to that one's 2048 tokens. */
function tiny(family: string) {
  return variantOf(`families/${family}`, {
    tokenizer: "models/llama",
    config: { vocab_size: 2048, bos_token_id: 0, eos_token_id: 1 },
    tensors: (all) => {
      for (const name of ["model.embed_tokens.weight", "lm_head.weight"]) {
        const table = all.get(name);
        if (table !== undefined) all.set(name, withRows(table, 2048, "again"));
      }
    },
  });
}

for (const stored of cases) {
  Deno.test(`${stored.family} ${JSON.stringify(stored.options)} is fed what the harness feeds it`, async () => {
    await using files = await tiny(stored.family);
    using model = await loadModel(files.directory);
    const { add_bos_token: addBosToken, prefix_token_id: prefixToken } = stored.options;
    const options: EncoderOptions = { addBosToken, prefixToken };
    const encoder = taskEncoder(model, options),
      maxLength = stored.options.max_length ?? harnessLength(model);
    assertEquals([encoder.addBosToken, encoder.prefixToken], [stored.add_bos_token, stored.prefix_token_id]);
    assertEquals(maxLength, stored.max_length);
    using scorer = new LikelihoodScorer(model);
    for (const { context, continuation, ctx_ids, cont_ids, logprob, is_greedy } of stored.choices) {
      const pair = encodePair(encoder, context, continuation);
      assertEquals([[...pair.context], [...pair.continuation]], [ctx_ids, cont_ids]);
      const [found] = await scorer.score([tokenRequest(pair, maxLength)]);
      assertAlmostEquals(found.logProbability, logprob, 1e-3);
      assertEquals(found.isGreedy, is_greedy);
    }
    const windows = rollingWindows(encoder.encode(page), encoder.prefixToken ?? -1, maxLength);
    assertEquals(
      windows.map((one) => [[...one.context], [...one.continuation]]),
      stored.windows.map((one) => [one.ctx_ids, one.cont_ids]),
    );
    const runner: TaskRunner = { model, encoder, scorer, maxLength, truncate: true, delimiter: " " };
    const at = { id: 0, row: new DataRow({}, "here") };
    const example = { text: page, words: 1, bytes: 1 };
    const asked = askRolling(runner, { ...at, example, prompts: [] });
    const rolled = asked.record(await answer(runner, wikitext, asked));
    assert(rolled.kind === "rolling");
    const { logProbability } = rolled;
    assertAlmostEquals(logProbability, stored.rolling, 1e-2);
    const task = { ...gsm8k, stop: ["Question:", "</s>", "<|im_end|>"] };
    for (const { context, ids, text } of stored.generation) {
      const example = { question: context, answer: "", score: () => ({}) };
      const found = await runGeneration(runner, task, { ...at, example, prompts: [context] }, 12);
      assertEquals(found.contextIds.slice(found.truncated), ids);
      assertEquals(found.response, text);
    }
  });
}

Deno.test("whole tasks of Gemma begin with its first token, those of others do not; asking for it is possible", async () => {
  const first = async (family: string, options: EncoderOptions) => {
    await using files = await tiny(family);
    using model = await loadModel(files.directory);
    const { examples: [one] } = await evaluateTask(model, "arc_easy", { limit: 1, ...options });
    assert(one.kind === "choice");
    return one.choices[0].contextIds[0] === model.tokenizer.bos;
  };
  const families = ["gemma", "gemma2", "gemma3_text", "llama_mha", "qwen2"];
  const answers = await Promise.all(families.map((family) => first(family, {})));
  assertEquals(answers, [true, true, true, false, false]);
  assertEquals(await first("gemma", { addBosToken: false }), false);
  assertEquals(await first("llama_mha", { addBosToken: true }), true);
});

Deno.test("the harness finds no positions in a multimodal file and in Bloom's: 2048 at most", async () => {
  const config: JsonObject = JSON.parse(await Deno.readTextFile("fixtures/families/gemma3_text/config.json"));
  const keys = Object.keys(config), outer = Object.fromEntries(keys.map((key) => [key, undefined]));
  await using nested = await variantOf("families/gemma3_text", {
    config: { ...outer, model_type: "gemma3", text_config: { ...config, max_position_embeddings: 8192 } },
  });
  using model = await loadModel(nested.directory);
  assertEquals([model.architecture.maxPositions, harnessLength(model)], [8192, 2048]);
  await using long = await variantOf("families/bloom", { config: { seq_length: 4096 } });
  using bloom = await loadModel(long.directory);
  assertEquals([bloom.architecture.maxPositions, harnessLength(bloom)], [4096, 2048]);
  await using plain = await variantOf("families/llama_mha", { config: { max_position_embeddings: 8192 } });
  using llama = await loadModel(plain.directory);
  assertEquals(harnessLength(llama), 8192);
});
