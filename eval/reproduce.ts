/**
 * Measures a published number on a checkpoint: `deno run -A eval/reproduce.ts CLAIM --model DIRECTORY --data DIRECTORY
 * [--limit N] [--calibration FILE]`. The data directory holds `wikitext2.txt` and `c4.txt` for perplexities (windows of
 * 2048 tokens) and the test sets of the tasks (`boolq.jsonl`, `mmlu.anatomy.test.csv`, ...).
 */
import { parseArgs } from "node:util";
import {
  corpus,
  evaluateTask,
  loadClaims,
  loadModel,
  type Model,
  perplexity,
  quantize,
  schemeOfClaim,
  taskOfClaim,
} from "../mod.ts";
import type { Claim } from "./claim_files.ts";

interface Options {
  readonly data?: string;
  readonly limit?: number;
}

/** The measured value in the units of the claim. */
async function measureClaim(model: Model, claim: Claim, { data, limit }: Options): Promise<[number, number]> {
  if (claim.metric === "perplexity") {
    const length = Math.min(2048, model.architecture.maxPositions);
    const text = data === undefined
      ? await corpus("sotu", { length, windows: limit, tokenizer: model.tokenizer })
      : await corpus(`${data}/${claim.dataset}.txt`, { length, windows: limit, tokenizer: model.tokenizer });
    const { value, standardError } = await perplexity(model, text);
    return [value, standardError];
  }
  const { tasks, metric } = taskOfClaim(claim);
  const results = [];
  for (const task of tasks) results.push(await evaluateTask(model, task, { data, limit }));
  const mean = (values: number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;
  const errors = results.map(({ standardErrors }) => standardErrors[metric]);
  return [
    100 * mean(results.map(({ metrics }) => metrics[metric])),
    100 * Math.hypot(...errors) / errors.length,
  ];
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      model: { type: "string" },
      data: { type: "string" },
      limit: { type: "string" },
      calibration: { type: "string" },
    },
  });
  const claim = (await loadClaims()).find(({ id }) => id === positionals[0]);
  const scheme = claim === undefined ? null : schemeOfClaim(claim);
  if (claim === undefined || scheme === null || values.model === undefined) {
    console.error(
      "usage: reproduce.ts CLAIM --model DIRECTORY [--data DIRECTORY] [--limit N] [--calibration FILE]",
    );
    console.error(
      claim === undefined
        ? `no claim "${positionals[0]}"`
        : `${claim.id}: ${scheme === null ? "no scheme" : "no model"}`,
    );
    Deno.exit(2);
  }
  using model = await loadModel(values.model);
  const windows = {
    windows: 128,
    length: Math.min(2048, model.architecture.maxPositions),
    seed: 0,
    tokenizer: model.tokenizer,
  };
  const calibration = values.calibration === undefined
    ? await corpus("calibration", { ...windows, windows: 16, length: Math.min(512, windows.length) })
    : await corpus(values.calibration, windows);
  using quantized = await quantize(model, scheme, { calibration });
  const limit = values.limit === undefined ? undefined : Number(values.limit);
  const [value, error] = await measureClaim(quantized, claim, { data: values.data, limit });
  console.log(
    `${claim.id}\nclaimed  ${claim.value}\nmeasured ${value.toFixed(4)} ± ${
      error.toFixed(4)
    } on ${values.model}`,
  );
}
