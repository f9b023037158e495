/**
 * Seconds of the six choice tasks on the fixture model, 200 examples each, ours and lm-evaluation-harness' in one run:
 * float32, the same weights, rows and threads, the harness with batches of one (its default) and of eight. Seconds of the
 * clock, and of the processor, which other work on the machine disturbs less. `deno bench -A bench/tasks_bench.ts`; the
 * peer needs `pip install torch==2.13.0 lm-eval==0.4.8 transformers==4.51.3`.
 */
import process from "node:process";
import { pathOf } from "../base/file.ts";
import { choiceTasks, evaluateTask } from "../mod.ts";
import { cpuDevice } from "../kernels/cpu/device.ts";
import { loadModel } from "../model/load.ts";
import { runTorch } from "./torch.ts";

const limit = 200;
const threads = Number(Deno.env.get("QUANTBOOK_THREADS") ?? navigator.hardwareConcurrency);
const inputs = ["../fixtures/models/llama", "../fixtures/tasks"]
  .map((path) => pathOf(new URL(path, import.meta.url)));

using device = await cpuDevice({ threads });
using model = await loadModel("fixture:llama", { device });
interface Measured {
  readonly accuracy: Record<string, number>;
  /** Seconds of the clock, by task. */
  readonly seconds: Record<string, number>;
  /** Seconds of the processor, by task. */
  readonly cpu: Record<string, number>;
}
const ours: Measured = { accuracy: {}, seconds: {}, cpu: {} };
for (const task of choiceTasks) {
  const start = performance.now(), before = process.cpuUsage();
  const { metrics } = await evaluateTask(model, task, { limit });
  const { user, system } = process.cpuUsage(before);
  ours.seconds[task] = (performance.now() - start) / 1000;
  ours.cpu[task] = (user + system) / 1e6;
  ours.accuracy[task] = metrics.acc;
}

const columns: Record<string, Measured> = { quantbook: ours };
for (const batch of [1, 8]) {
  const peer = await runTorch<Measured & { missing?: string; version: string }>(
    "tasks",
    ...inputs,
    limit,
    threads,
    batch,
  );
  if (peer === null) break;
  if (peer.missing !== undefined) {
    console.log(`lm-evaluation-harness: skipped, ${peer.missing}`);
    break;
  }
  columns[`${peer.version}, batches of ${batch}`] = peer;
}

console.log(`\nChoice tasks, fixture:llama, ${limit} examples each (or all), ${threads} threads`);
const sum = (values: Record<string, number>) => Object.values(values).reduce((total, one) => total + one, 0);
for (const [name, { accuracy, seconds, cpu }] of Object.entries(columns)) {
  console.log(`\n${name}`);
  console.table(Object.fromEntries(choiceTasks.map((task) => [task, {
    accuracy: accuracy[task].toFixed(4),
    "seconds": seconds[task].toFixed(2),
    "cpu seconds": cpu[task].toFixed(2),
    "our speed over it": (seconds[task] / ours.seconds[task]).toFixed(2),
    "by cpu": (cpu[task] / ours.cpu[task]).toFixed(2),
  }])));
  console.log(
    `all six: ${sum(seconds).toFixed(1)} s, cpu ${sum(cpu).toFixed(1)} s;`,
    `our speed over it ${(sum(seconds) / sum(ours.seconds)).toFixed(2)},`,
    `by cpu ${(sum(cpu) / sum(ours.cpu)).toFixed(2)}`,
  );
}
