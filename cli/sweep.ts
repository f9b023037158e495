/**
 * Sweeps that outgrow one machine: `deno task sweep plan|run|merge|status`.
 *
 * - `plan GRID.ts... [--device cpu|gpu] [--out manifest.jsonl]` writes the manifest of the sweeps that modules export by
 *   default: the arguments of `sweep`, or a list of them;
 * - `run MANIFEST [--shard i/n] [--results STORE]` measures what the store lacks;
 * - `merge MANIFEST --into STORE STORE...` brings stores together;
 * - `status MANIFEST [--results STORE]` shows progress, failures and an estimate.
 *
 * A store is a directory or `s3://bucket/prefix`; by default that of all sweeps. Exit codes: 0 when all is done, 1 when
 * cells failed or are missing, 2 when the call or the manifest is wrong.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { commandLine, runCommand, UsageError } from "./command_line.ts";
import { writeAtomic } from "../base/file.ts";
import { resultsLocation } from "../eval/store/key.ts";
import type { Row } from "../eval/sweep/cell.ts";
import { loadProfile } from "../eval/cost.ts";
import { formatManifest, parseManifest, type PlannedCell, SweepError } from "../eval/sweep/manifest.ts";
import { mergeResults, sweepStatus } from "../eval/sweep/merge.ts";
import { planSweeps, type SweepPlan } from "../eval/sweep/plan.ts";
import { runShard } from "../eval/sweep/run.ts";
import { cellsOfShard, parseShard } from "../eval/sweep/shard.ts";

const usage = `usage: deno task sweep plan GRID.ts... [--device NAME] [--out FILE]
       deno task sweep run MANIFEST [--shard i/n] [--results STORE]
       deno task sweep merge MANIFEST --into STORE STORE...
       deno task sweep status MANIFEST [--results STORE]`;

/** `93 s`, `12.5 min`, `3.2 h`, `4.1 days`. */
function durationText(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(1)} min`;
  return seconds < 2 * 86400 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} days`;
}

function planText(cells: readonly PlannedCell[]): string {
  const seconds = cells.reduce((sum, { predicted }) => sum + predicted.seconds, 0);
  const bytes = cells.reduce((most, { predicted }) => Math.max(most, predicted.bytes), 0);
  return `${cells.length} cells, ${durationText(seconds)} on one device of this kind, ` +
    `at most ${(bytes / 2 ** 30).toFixed(2)} GiB on the device`;
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ model, label, perplexity, divergence, bitsPerWeight, modelBitsPerWeight }) =>
    [
      model,
      label,
      perplexity.value.toFixed(4),
      perplexity.standardError.toFixed(4),
      divergence?.value.toFixed(6) ?? "",
      bitsPerWeight.toFixed(2),
      modelBitsPerWeight.toFixed(2),
    ].join("\t")
  );
  const sizes = "bits per weight, linear layers\tbits per weight, whole model";
  return [`model\tlabel\tperplexity\tstandard error\tKL to float\t${sizes}`, ...lines].join("\n");
}

/** The sweeps that a module exports by default. */
async function gridOf(path: string): Promise<SweepPlan[]> {
  const file = resolve(path);
  await Deno.stat(file);
  const { default: exported }: { default?: SweepPlan | SweepPlan[] } = await import(pathToFileURL(file).href);
  const plans = [exported].flat();
  for (const plan of plans) {
    if (Array.isArray(plan?.cells) && Array.isArray(plan.windows)) continue;
    throw new SweepError(
      "grid",
      `${path} must export by default the arguments of sweep, { cells, windows, ... }, or a list of them`,
    );
  }
  return plans as SweepPlan[];
}

/** Runs the command line and returns the exit code. */
async function main(): Promise<number> {
  const { values, positionals: [command, first, ...rest] } = commandLine(usage, {
    device: { type: "string", default: Deno.env.get("QUANTBOOK_DEVICE") ?? "cpu" },
    out: { type: "string" },
    shard: { type: "string", default: "0/1" },
    results: { type: "string", default: resultsLocation() },
    into: { type: "string" },
  });
  if (!["plan", "run", "merge", "status"].includes(command)) {
    throw new UsageError(`command is ${command}: expected plan, run, merge or status`, usage);
  }
  if (first === undefined) throw new UsageError(`${command} needs a file`, usage);
  if (command === "plan") {
    const plans: SweepPlan[] = [];
    for (const path of [first, ...rest]) plans.push(...await gridOf(path));
    const manifest = await planSweeps(plans, values.device, await loadProfile(values.device));
    const text = formatManifest(manifest);
    if (values.out === undefined) await Deno.stdout.write(new TextEncoder().encode(text));
    else await writeAtomic(values.out, [new TextEncoder().encode(text)]);
    console.error(planText(manifest.cells));
    return 0;
  }
  const manifest = parseManifest(await Deno.readTextFile(first));
  switch (command) {
    case "run": {
      const shard = parseShard(values.shard);
      const log = (event: string, { key, label }: PlannedCell) => console.log(`${event} ${key} ${label}`);
      console.error(planText(cellsOfShard(manifest.cells, shard)));
      const failed = await runShard(manifest, { shard, results: values.results, onEvent: log });
      return failed.length === 0 ? 0 : 1;
    }
    case "merge": {
      if (values.into === undefined) throw new UsageError("merge needs --into STORE", usage);
      const { rows, missing } = await mergeResults(manifest, values.into, rest);
      console.log(table(rows));
      for (const notice of new Set(rows.flatMap(({ notices = [] }) => notices))) console.error(notice);
      for (const { key, label } of missing) console.error(`missing ${key} ${label}`);
      return missing.length === 0 ? 0 : 1;
    }
    default: {
      const { done, failed, waiting, seconds } = await sweepStatus(manifest, values.results);
      console.log(
        `${done} of ${manifest.cells.length} cells done in ${
          durationText(seconds.spent)
        }, ${waiting} waiting, ` +
          `${failed.length} failed; about ${durationText(seconds.left)} left on one device`,
      );
      for (const { cell, failure } of failed) {
        console.log(`failed ${cell.key} ${cell.label} on ${failure.host}: ${failure.message}`);
      }
      return waiting + failed.length === 0 ? 0 : 1;
    }
  }
}

if (import.meta.main) await runCommand(main);
