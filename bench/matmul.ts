/**
 * Speed of the linear layers of the fixture model on 512 tokens, ours against OpenBLAS and PyTorch in the same run:
 * `deno run -A bench/matmul.ts [seconds per measurement]`. Prints a table and writes nothing.
 */

import { cpuDevice } from "../kernels/cpu/device.ts";
import { type OpenBlas, openOpenBlas } from "./openblas.ts";
import { type LinearShape, timeTorch } from "./torch.ts";

/** Attention output, keys and values, feed-forward up and down, fused queries-keys-values, vocabulary. */
const shapes: LinearShape[] = [[256, 256], [128, 256], [512, 256], [256, 512], [768, 256], [2048, 256]]
  .map(([out, inner]) => ({ rows: 512, out, inner }));

const seconds = Number(Deno.args[0] ?? 0.2);
const threadCounts = [...new Set([1, 2, navigator.hardwareConcurrency])]
  .filter((threads) => threads <= navigator.hardwareConcurrency);

/** The best of as many runs as fit: on a shared machine the least disturbed run says most about the code. */
function best(run: () => void): number {
  const end = performance.now() + seconds * 1000;
  let least = Infinity;
  while (performance.now() < end) {
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return least / 1000;
}

function randomData(length: number): Float32Array {
  return Float32Array.from({ length }, () => Math.random() - 0.5);
}

async function timeOurs(threads: number): Promise<number[]> {
  using device = await cpuDevice({ threads });
  const times = shapes.map(({ rows, out, inner }) => {
    using weight = device.weight(randomData(out * inner), out, inner);
    using x = device.upload(randomData(rows * inner)), y = device.allocate(rows * out);
    return best(() => device.linear(x, weight, null, y, rows));
  });
  console.log(`quantbook: ${device.description}, at most ${device.memory.peak / 2 ** 20} MiB held`);
  return times;
}

function timeOpenBlas(blas: OpenBlas, threads: number): number[] {
  blas.setThreads(threads);
  return shapes.map((shape) => {
    const x = randomData(shape.rows * shape.inner), w = randomData(shape.out * shape.inner);
    const y = new Float32Array(shape.rows * shape.out);
    return best(() => blas.linear(x, w, y, shape));
  });
}

/** `12.3 GFLOP/s`, and how many times our speed that is ours. */
function cell(shape: LinearShape, time: number | undefined, ours?: number): string {
  if (time === undefined) return "-";
  const speed = (2 * shape.rows * shape.out * shape.inner / time / 1e9).toFixed(1);
  return ours === undefined ? speed : `${speed} (${(time / ours).toFixed(2)})`;
}

using blas = openOpenBlas();
console.log(blas?.description ?? "OpenBLAS: not found (Debian: libopenblas0-pthread), skipped");
for (const threads of threadCounts) {
  const ours = await timeOurs(threads);
  const reference = blas && timeOpenBlas(blas, threads);
  const torch = await timeTorch(shapes, threads, seconds);
  console.log(torch ? `PyTorch ${torch.version}` : "PyTorch: not found, skipped");
  console.log(
    `\nGFLOP/s with ${threads} thread${threads === 1 ? "" : "s"}; in brackets our speed over theirs`,
  );
  console.table(
    Object.fromEntries(shapes.map((shape, i) => [`${shape.rows} x ${shape.out} x ${shape.inner}`, {
      quantbook: cell(shape, ours[i]),
      OpenBLAS: cell(shape, reference?.[i], ours[i]),
      PyTorch: cell(shape, torch?.seconds[i], ours[i]),
    }])),
  );
}
console.log(`peak resident memory of this process: ${await peakMemory()}`);

/** The largest resident size so far, where the system tells; else the size now. */
async function peakMemory(): Promise<string> {
  try {
    const status = await Deno.readTextFile("/proc/self/status");
    const kibibytes = Number(status.match(/^VmHWM:\s*(\d+)/m)?.[1]);
    if (kibibytes > 0) return `${(kibibytes / 1024).toFixed(0)} MiB`;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return `${(Deno.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB (now)`;
}
