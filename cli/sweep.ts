/**
 * `quantbook sweep`: sweeps that outgrow one machine. A store is a directory or `s3://bucket/prefix`; by default that of all sweeps. Exit
 * code 1 when cells failed or are missing.
 */
import type { Row } from "../eval/sweep/cell.ts";
import type { Manifest, PlannedCell } from "../eval/sweep/manifest.ts";
import type { SweepPlan } from "../eval/sweep/plan.ts";
import { didYouMean } from "../base/nearest.ts";
import { UsageError } from "./command_line.ts";
import { duration } from "./output.ts";
import type { Call, Verb } from "./verb.ts";

const actions: Readonly<
  Record<string, (call: Call, file: string, rest: readonly string[]) => Promise<number>>
> = {
  plan,
  run,
  merge,
  status,
};

/** The verb. */
export const verb: Verb = {
  about:
    "Plans, runs, merges and inspects a grid of cells. plan GRID.ts... writes the manifest of the sweeps that modules export by " +
    "default (the arguments of sweep, or a list of them); run MANIFEST measures what the store lacks; merge MANIFEST STORE... brings " +
    "stores together; status MANIFEST shows progress, failures and an estimate.",
  words: [
    { name: "ACTION", about: "plan, run, merge or status" },
    { name: "FILE...", about: "grids, or a manifest, with stores behind it for merge" },
  ],
  options: [
    {
      flags: "--device NAME",
      about: "plan: the device that cells are for",
      fallback: "QUANTBOOK_DEVICE, or cpu",
    },
    { flags: "--out FILE", about: "plan: the manifest", fallback: "standard output" },
    { flags: "--shard I/N", about: "run: a share of the cells", fallback: "0/1" },
    {
      flags: "--results STORE",
      about: "run, status: where rows are kept",
      fallback: "QUANTBOOK_CACHE, or .quantbook/results",
    },
    {
      flags: "--receipts DIR",
      about: "run: measure each row once more, and write its receipt there as KEY.json",
    },
    { flags: "--into STORE", about: "merge: where all rows go" },
  ],
  examples: [
    `printf '%s' 'import { corpus, rtn } from "quantbook"; export default { windows: await corpus("sotu", { windows: 2, length: 32 }), ` +
    `cells: [4, 3].map((bits) => ({ model: "fixture:llama", label: "W" + bits, scheme: { weights: rtn({ bits }) } })) };' > grid.ts; ` +
    "quantbook sweep plan grid.ts --out manifest.jsonl; quantbook sweep run manifest.jsonl --results rows",
    "quantbook sweep merge manifest.jsonl rows --into all; quantbook sweep status manifest.jsonl --results all",
    "quantbook sweep run manifest.jsonl --results rows --receipts receipts; " +
    'for one in receipts/*; do quantbook verify "$one" --manifest manifest.jsonl --sample 1; done',
  ],
  async run(call) {
    const [action, file, ...rest] = call.words, names = Object.keys(actions);
    if (!Object.hasOwn(actions, action)) {
      throw new UsageError(
        `action is ${action}${didYouMean(action, names) || `: expected ${names.join(", ")}`}`,
      );
    }
    return await actions[action](call, file, rest);
  },
};

function planText(cells: readonly PlannedCell[]): string {
  const seconds = cells.reduce((sum, { predicted }) => sum + predicted.seconds, 0);
  const bytes = cells.reduce((most, { predicted }) => Math.max(most, predicted.bytes), 0);
  return `${cells.length} cells, ${duration(seconds)} on one device of this kind, ` +
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
  const { resolve } = await import("node:path"), { pathToFileURL } = await import("node:url");
  const { SweepError } = await import("../eval/sweep/manifest.ts");
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

async function plan(call: Call, first: string, rest: readonly string[]): Promise<number> {
  const { writeAtomic } = await import("../base/file.ts");
  const { loadProfile } = await import("../eval/cost.ts");
  const { formatManifest } = await import("../eval/sweep/manifest.ts");
  const { planSweeps } = await import("../eval/sweep/plan.ts");
  const plans: SweepPlan[] = [], device = call.text("device") ?? Deno.env.get("QUANTBOOK_DEVICE") ?? "cpu";
  for (const path of [first, ...rest]) plans.push(...await gridOf(path));
  const manifest = await planSweeps(plans, device, await loadProfile(device)),
    text = formatManifest(manifest);
  const target = call.text("out"), bytes = new TextEncoder().encode(text);
  if (target !== undefined) await writeAtomic(target, [bytes]);
  if (target === undefined && !call.out.json) await Deno.stdout.write(bytes);
  else call.out.result({ cells: manifest.cells }, () => [`${target}: ${planText(manifest.cells)}`]);
  if (target === undefined) call.out.note(planText(manifest.cells));
  return 0;
}

/** The manifest in a file. */
async function manifestOf(path: string) {
  const { parseManifest } = await import("../eval/sweep/manifest.ts");
  return parseManifest(await Deno.readTextFile(path));
}

/** The store of a call. */
async function resultsOf(call: Call): Promise<string> {
  const { resultsLocation } = await import("../eval/store/key.ts");
  return call.text("results") ?? resultsLocation();
}

async function run(call: Call, file: string): Promise<number> {
  const { runShard } = await import("../eval/sweep/run.ts");
  const { cellsOfShard, parseShard } = await import("../eval/sweep/shard.ts");
  const manifest = await manifestOf(file), shard = parseShard(call.text("shard") ?? "0/1");
  call.out.note(planText(cellsOfShard(manifest.cells, shard)));
  const events: { event: string; key: string; label: string }[] = [];
  const failed = await runShard(manifest, {
    shard,
    results: await resultsOf(call),
    onEvent: (event, { key, label }) => {
      events.push({ event, key, label });
      if (!call.out.json) console.log(`${event} ${key} ${label}`);
    },
  });
  const directory = call.text("receipts"), cells = cellsOfShard(manifest.cells, shard);
  const receipts = directory === undefined
    ? undefined
    : await writeReceipts(call, manifest, cells, directory);
  call.out.result({ events, failed, receipts }, () => []);
  return failed.length === 0 ? 0 : 1;
}

/** Writes the receipts of cells that have a row, each measured once more, and returns the paths. */
async function writeReceipts(
  call: Call,
  { tokens }: Manifest,
  cells: readonly PlannedCell[],
  directory: string,
): Promise<string[]> {
  const { makeReceipt } = await import("../eval/receipt.ts");
  const { openStore } = await import("../eval/store.ts");
  const { makeDirectory, writeAtomic } = await import("../base/file.ts");
  const { writeNumbers } = await import("../base/json.ts");
  const store = await openStore(await resultsOf(call)), paths: string[] = [];
  await makeDirectory(directory);
  for (const { key, model, scheme, execution, windows, calibration } of cells) {
    const row = await store.read(key) as Row | undefined;
    if (row === undefined) continue;
    const receipt = await makeReceipt({
      ...{ model, scheme, execution, row, reference: { model } },
      ...{ text: tokens.get(windows) ?? [], calibration: tokens.get(calibration) ?? [] },
    });
    const path = `${directory}/${key}.json`;
    await writeAtomic(path, [new TextEncoder().encode(`${writeNumbers(receipt)}\n`)]);
    paths.push(path);
    if (!call.out.json) console.log(path);
  }
  return paths;
}

async function merge(call: Call, file: string, stores: readonly string[]): Promise<number> {
  const { mergeResults } = await import("../eval/sweep/merge.ts");
  const { rows, missing } = await mergeResults(await manifestOf(file), call.required("into", "STORE"), [
    ...stores,
  ]);
  call.out.result({ rows, missing }, () => [table(rows)]);
  for (const notice of new Set(rows.flatMap(({ notices = [] }) => notices))) call.out.note(notice);
  for (const { key, label } of missing) call.out.note(`missing ${key} ${label}`);
  return missing.length === 0 ? 0 : 1;
}

async function status(call: Call, file: string): Promise<number> {
  const { sweepStatus } = await import("../eval/sweep/merge.ts");
  const manifest = await manifestOf(file), found = await sweepStatus(manifest, await resultsOf(call));
  const { done, failed, waiting, seconds } = found;
  call.out.result({ cells: manifest.cells.length, ...found }, () => [
    `${done} of ${manifest.cells.length} cells done in ${duration(seconds.spent)}, ${waiting} waiting, ` +
    `${failed.length} failed; about ${duration(seconds.left)} left on one device`,
    ...failed.map(({ cell, failure }) =>
      `failed ${cell.key} ${cell.label} on ${failure.host}: ${failure.message}`
    ),
  ]);
  return waiting + failed.length === 0 ? 0 : 1;
}
