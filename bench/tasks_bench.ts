/**
 * Seconds of the six choice tasks on the fixture model, 200 examples each, ours and lm-evaluation-harness' in one run:
 * float32, the same weights, rows and threads. `deno bench -A bench/tasks_bench.ts`; the peer needs
 * `pip install torch==2.13.0 lm-eval==0.4.8 transformers==4.51.3`.
 */
import { choiceTasks, evaluateTask } from "../mod.ts";
import { cpuDevice } from "../kernels/cpu/device.ts";
import { loadModel } from "../model/load.ts";
import { runTorch } from "./torch.ts";

const limit = 200;
const threads = Number(Deno.env.get("QUANTBOOK_THREADS") ?? navigator.hardwareConcurrency);
const inputs = ["../fixtures/models/llama", "../fixtures/tasks"]
  .map((path) => new URL(path, import.meta.url).pathname);

using device = await cpuDevice({ threads });
using model = await loadModel("fixture:llama", { device });
const ours: { task: string; examples: number; seconds: number; accuracy: number }[] = [];
for (const task of choiceTasks) {
  const start = performance.now();
  const { metrics, examples } = await evaluateTask(model, task, { limit });
  const seconds = (performance.now() - start) / 1000;
  ours.push({ task, examples: examples.length, seconds, accuracy: metrics.acc });
}

interface Peer {
  readonly missing?: string;
  readonly version: string;
  readonly seconds: Record<string, number>;
  readonly accuracy: Record<string, number>;
}
const peer = await runTorch<Peer>("tasks", ...inputs, limit, threads);
if (peer?.missing !== undefined) console.log(`lm-evaluation-harness: skipped, ${peer.missing}`);
const known = peer !== null && peer.missing === undefined;

console.log(`\nChoice tasks, fixture:llama, ${threads} threads${known ? `, and ${peer.version}` : ""}`);
console.table(Object.fromEntries(ours.map(({ task, examples, seconds, accuracy }) => [task, {
  examples,
  "seconds": seconds.toFixed(2),
  "accuracy": accuracy.toFixed(4),
  ...(known
    ? {
      "harness, seconds": peer.seconds[task].toFixed(2),
      "harness, accuracy": peer.accuracy[task].toFixed(4),
      "speed over harness": (peer.seconds[task] / seconds).toFixed(2),
    }
    : {}),
}])));
const total = ours.reduce((sum, { seconds }) => sum + seconds, 0);
const theirs = known ? Object.values(peer.seconds).reduce((sum, one) => sum + one, 0) : NaN;
console.log(
  `all six: ${total.toFixed(1)} s`,
  known ? `harness ${theirs.toFixed(1)} s, speed ${(theirs / total).toFixed(2)}` : "",
);
