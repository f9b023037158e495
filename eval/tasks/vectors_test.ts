/** Vectors recorded from lm-evaluation-harness 0.4.8, sacrebleu 2.6.0 and rouge-score 0.1.2 that need no model. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { cutAt } from "../generation/until.ts";
import { meanOf, pooledStandardError } from "../statistics.ts";
import { resultOf } from "./aggregate.ts";
import { bbh, extractAnswer } from "./sets/bbh.ts";
import { bleu, tokenize } from "./bleu.ts";
import { extractNumbers, gsm8k, normalizeNumber } from "./sets/gsm8k.ts";
import { cleanMarkup, hellaswag } from "./sets/hellaswag.ts";
import { drawShots } from "./prompts.ts";
import { rollingWindows } from "./requests.ts";
import type { RollingRecord } from "./result.ts";
import { rouge } from "./rouge.ts";
import { DataRow } from "./row.ts";
import { choiceMetrics } from "./run.ts";
import { truthfulqaGen } from "./sets/truthfulqa.ts";
import { detokenize, wikitext } from "./sets/wikitext.ts";
import { winogrande } from "./sets/winogrande.ts";

const vectors = JSON.parse(
  await Deno.readTextFile(new URL("../../fixtures/expected/tasks/metrics.json", import.meta.url)),
);
const row = (values: Record<string, unknown>) => new DataRow(values, "vectors:1");

Deno.test("BLEU: tokens and scores of sacrebleu", () => {
  for (const { hyp, ref, hyp_tok_intl, ref_tok_intl, score } of vectors.bleu.pairs) {
    assertEquals([tokenize(hyp).join(" "), tokenize(ref).join(" ")], [hyp_tok_intl, ref_tok_intl]);
    assertAlmostEquals(bleu(hyp, ref), score, 1e-9, `${hyp} | ${ref}`);
  }
});

Deno.test("ROUGE: f-measures of rouge-score", () => {
  for (const { hyp, ref, ...scores } of vectors.rouge.pairs) {
    assertAlmostEquals(rouge("rouge1", hyp, ref), scores.rouge1.value_times_100, 1e-9);
    assertAlmostEquals(rouge("rouge2", hyp, ref), scores.rouge2.value_times_100, 1e-9);
    assertAlmostEquals(rouge("rougeL", hyp, ref), scores.rougeLsum.value_times_100, 1e-9, `${hyp} | ${ref}`);
  }
});

Deno.test("TruthfulQA: answers get a point, the best reference counts, equal is not better", () => {
  for (const { doc, processed, results } of vectors.truthfulqa_gen_scores) {
    const example = truthfulqaGen.example(row(doc));
    assertEquals(example.question.endsWith(`\n\nQ: ${processed.question}`), true);
    for (const { completion, ...scores } of results) {
      const ours = example.score(completion);
      assertEquals(Object.keys(ours).length, Object.keys(scores).length);
      for (const [name, score] of Object.entries(scores)) {
        assertAlmostEquals(ours[name], Number(score), 1e-9, name);
      }
    }
  }
});

Deno.test("GSM8K: both filters and what is ignored", () => {
  for (const { text, ...filters } of vectors.gsm8k.strings) {
    for (const name of ["strict-match", "flexible-extract"] as const) {
      assertEquals(extractNumbers(text)[name], filters[name].extracted, text);
      for (const [gold, score] of Object.entries(filters[name].exact_match)) {
        const example = gsm8k.example(row({ question: "", answer: `#### ${gold}` }));
        assertEquals(example.score(text)[`exact_match,${name}`], score, `${text} / ${gold}`);
      }
    }
  }
  for (const one of vectors.gsm8k.normalisation_before_comparing) {
    assertEquals(normalizeNumber(one.in), one.out, one.in);
  }
});

Deno.test("BIG-bench hard: the answer in a chain of thought", () => {
  for (const { text, gold, extracted, exact_match } of vectors.bbh_extract.strings) {
    assertEquals(extractAnswer(text), extracted, text);
    const example = bbh("any").example(row({ input: "", target: gold }));
    assertEquals(example.score(text)["exact_match,get-answer"], exact_match, text);
  }
});

Deno.test("stop strings cut one after the other", () => {
  for (const { text, until, result } of vectors.stop_cut) assertEquals(cutAt(text, until), result);
});

Deno.test("HellaSwag: marks go, second sentences begin with a capital", () => {
  for (const one of vectors.hellaswag_preprocess.preprocess) assertEquals(cleanMarkup(one.in), one.out);
  for (const { doc, query } of vectors.hellaswag_preprocess.query) {
    assertEquals(hellaswag.example(row({ ...doc, endings: ["x", "y"] })).context, query);
  }
});

Deno.test("WinoGrande: two contexts, one rest", () => {
  for (const { contexts, continuation_with_delimiter, gold, ...doc } of vectors.winogrande) {
    const example = winogrande.example(row(doc));
    assertEquals([example.context, example.gold], [contexts, gold]);
    assertEquals(` ${example.continuations[0]}`, continuation_with_delimiter);
  }
});

Deno.test("accuracies per character, and the share of true answers", () => {
  for (const { choices, lls, pred, pred_norm } of vectors.multiple_choice_argmax) {
    for (const [gold] of choices.entries()) {
      const metrics = choiceMetrics(["acc", "acc_norm"], lls, { continuations: choices, gold });
      assertEquals(metrics, { acc: Number(gold === pred), acc_norm: Number(gold === pred_norm) });
    }
  }
  for (const { labels, lls, acc } of vectors.truthfulqa_mc2) {
    const truths = labels.indexOf(0);
    const ours = choiceMetrics(["mc2"], lls, { continuations: labels.map(String), gold: 0, truths }).acc;
    if (acc === "nan") assertEquals(ours, NaN);
    else assertAlmostEquals(ours, acc, 1e-12);
  }
});

Deno.test("worked examples are those that Python draws", () => {
  for (const { n, k, seed, draws } of vectors.rng.sample) {
    const pool = Array.from({ length: n }, (_, i) => row({ i }));
    const questions = draws.map(() => row({}));
    assertEquals(drawShots(questions, { pool, count: k, draw: "random", spare: false, seed }), draws);
  }
});

Deno.test("WikiText: detokenized pages, words and bytes of the page as it was", () => {
  for (const { page, detokenized, words_of_page, utf8_bytes_of_page } of vectors.wikitext_detokenizer) {
    assertEquals(detokenize(page), detokenized);
    assertEquals(wikitext.example(row({ page })), {
      text: detokenized,
      words: words_of_page,
      bytes: utf8_bytes_of_page,
    });
  }
});

Deno.test("rolling windows predict each token once, the last one with a long context", () => {
  for (const { n_tokens, max_seq_len, "windows_[context,predicted]": windows } of vectors.rolling_windows) {
    const ids = Int32Array.from({ length: n_tokens }, (_, i) => i);
    const ours = rollingWindows(ids, -1, max_seq_len).map((one) => [[...one.context], [...one.continuation]]);
    assertEquals(ours, windows);
  }
});

Deno.test("standard errors, pooled and weighted", () => {
  const { mean_and_mean_stderr, group, weighted } = vectors.stderr;
  for (const { list, mean, stderr } of mean_and_mean_stderr) {
    const ours = meanOf(list);
    assertAlmostEquals(ours.mean, mean, 1e-12);
    assertAlmostEquals(ours.standardError, stderr, 1e-12);
  }
  assertEquals(meanOf([1]).standardError, NaN);
  assertAlmostEquals(pooledStandardError(group.stderrs, group.sizes), group.pooled_stderr, 1e-12);
  const pages = weighted["items_[ll,weight]"].map(([logProbability, size]: [number, number], id: number) => {
    const page: RollingRecord = {
      ...{ kind: "rolling", id, where: "", tokens: 1, logProbability, words: size, bytes: size, metrics: {} },
    };
    return page;
  });
  const { metrics } = resultOf("wikitext", pages);
  assertAlmostEquals(metrics.word_perplexity, weighted.weighted_perplexity, 1e-9);
  assertAlmostEquals(metrics.bits_per_byte, weighted.bits_per_byte, 1e-12);
});
