/**
 * Measures a published number on a checkpoint: `deno run -A cli/reproduce.ts CLAIM --model DIRECTORY --data DIRECTORY
 * [--limit N] [--calibration FILE]`. The data directory holds `wikitext2.txt` and `c4.txt` for perplexities (windows of
 * 2048 tokens) and the test sets of the tasks (`boolq.jsonl`, `mmlu.anatomy.test.csv`, ...).
 */
import { corpus, evaluateTask, loadModel, type Model, perplexity, quantize } from "../mod.ts";
import { loadClaims, schemeOfClaim, taskOfClaim } from "../eval/claims.ts";
import type { Claim } from "../eval/claims/files.ts";
import { commandLine, runCommand, UsageError } from "./command_line.ts";

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

const usage =
  "usage: reproduce.ts CLAIM --model DIRECTORY [--data DIRECTORY] [--limit N] [--calibration FILE]";

async function main(): Promise<number> {
  const { values, positionals: [id] } = commandLine(usage, {
    model: { type: "string" },
    data: { type: "string" },
    limit: { type: "string" },
    calibration: { type: "string" },
  });
  const claim = (await loadClaims()).find((one) => one.id === id);
  if (claim === undefined) throw new UsageError(`no claim "${id}"`, usage);
  const scheme = schemeOfClaim(claim);
  if (scheme === null) throw new UsageError(`${claim.id}: no scheme of this project stands for it`, usage);
  if (values.model === undefined) throw new UsageError(`${claim.id} needs --model`, usage);
  const limit = values.limit === undefined ? undefined : Number(values.limit);
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0)) {
    throw new UsageError(`limit is ${values.limit}: expected a whole number above 0`, usage);
  }
  using model = await loadModel(values.model);
  for (const notice of model.notices) console.error(notice);
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
  const [value, error] = await measureClaim(quantized, claim, { data: values.data, limit });
  console.log(
    `${claim.id}\nclaimed  ${claim.value}\nmeasured ${value.toFixed(4)} ± ${
      error.toFixed(4)
    } on ${values.model}`,
  );
  return 0;
}

if (import.meta.main) await runCommand(main);
