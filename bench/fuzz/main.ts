/**
 * Fuzzes all readers of files from outside.
 *
 *     deno task fuzz [--minutes 60] [--seed 1] [--workers 2]
 *
 * Prints counts per reader, writes them to `bench/results/fuzz.json` (every minute, so that a run that is killed leaves what
 * it did) and fails when an input crashes a reader, takes over a
 * second or makes the process hold too much memory. An input is repeated by its seed: see `inputOf` in `run.ts`.
 */
import { parseArgs } from "node:util";
import type { FuzzResult } from "./run.ts";
import { targets } from "./targets.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: "2" },
  },
});
const minutes = Number(values.minutes), firstSeed = Number(values.seed), workers = Number(values.workers);
if (!(minutes > 0 && Number.isInteger(firstSeed) && Number.isInteger(workers) && workers > 0)) {
  throw new TypeError("usage: deno task fuzz [--minutes 60] [--seed 1] [--workers 2]");
}

const batch = 1000, patienceSeconds = 60, memoryLimit = 1 << 30;
const names = Object.keys(targets);
const totals = new Map(names.map((name) => [name, {
  inputs: 0,
  accepted: 0,
  crashes: [] as FuzzResult["crashes"][number][],
  hangs: [] as FuzzResult["hangs"][number][],
  slowestSeconds: 0,
}]));
const start = performance.now(), end = start + minutes * 60_000;
const url = new URL("../results/fuzz.json", import.meta.url);
let turn = 0, peakBytes = 0, savedAt = start;

const rows = () => [...totals].map(([name, total]) => ({ reader: name, ...total }));

/** Writes what was done so far. */
async function save(): Promise<void> {
  const readers = rows(), seconds = (performance.now() - start) / 1000;
  const inputs = readers.reduce((sum, row) => sum + row.inputs, 0);
  const report = {
    ...{ seed: firstSeed, minutes: Math.round(seconds / 6) / 10, workers, deno: Deno.version.deno },
    ...{ inputs, inputsPerSecond: Math.round(inputs / seconds), peakBytes, readers },
  };
  await Deno.mkdir(new URL(".", url), { recursive: true });
  await Deno.writeTextFile(url, `${JSON.stringify(report, null, 2)}\n`);
}

/** One batch in a worker; null when it had to be ended. */
function run(worker: Worker, name: string, first: number): Promise<FuzzResult | null> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(null), patienceSeconds * 1000);
    worker.onmessage = ({ data }: MessageEvent<FuzzResult>) => {
      clearTimeout(timer);
      resolve(data);
    };
    worker.onerror = (event) => reject(new Error(`${name} from seed ${first}: ${event.message}`));
    worker.postMessage({ name, first, count: batch });
  });
}

async function work(): Promise<void> {
  const open = () => new Worker(import.meta.resolve("./worker.ts"), { type: "module" });
  let worker = open();
  while (performance.now() < end) {
    const name = names[turn % names.length], first = firstSeed + Math.floor(turn++ / names.length) * batch;
    const result = await run(worker, name, first), total = totals.get(name);
    if (total === undefined) continue;
    if (result === null) {
      worker.terminate();
      worker = open();
      total.hangs.push({ seed: first, seconds: patienceSeconds });
      continue;
    }
    total.inputs += result.inputs;
    total.accepted += result.accepted;
    total.crashes.push(...result.crashes);
    total.hangs.push(...result.hangs);
    total.slowestSeconds = Math.max(total.slowestSeconds, result.slowestSeconds);
    peakBytes = Math.max(peakBytes, Deno.memoryUsage().rss);
    if (performance.now() - savedAt > 60_000) {
      savedAt = performance.now();
      await save();
    }
  }
  worker.terminate();
}

await Promise.all(Array.from({ length: workers }, work));
await save();
const found = rows(), inputs = found.reduce((sum, row) => sum + row.inputs, 0);
console.table(
  found.map(({ crashes, hangs, ...row }) => ({ ...row, crashes: crashes.length, hangs: hangs.length })),
);
const rate = inputs / ((performance.now() - start) / 1000);
console.log(
  `${inputs} inputs in ${minutes} min, ${rate.toFixed(0)} per second, at most ${
    (peakBytes / 1e6).toFixed(0)
  } MB`,
);
const bad = found.some(({ crashes, hangs }) => crashes.length + hangs.length > 0) || peakBytes > memoryLimit;
for (const { reader, crashes, hangs } of found) {
  for (const one of [...crashes, ...hangs].slice(0, 5)) console.error(reader, one);
}
if (bad) Deno.exit(1);
