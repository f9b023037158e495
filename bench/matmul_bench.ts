/**
 * Speed of the linear layers of the fixture model on 512 tokens, ours against OpenBLAS and PyTorch in the same run:
 * `deno bench -A bench/matmul_bench.ts`. Prints when loaded: PyTorch needs its own process, and ours and OpenBLAS take
 * turns, which `Deno.bench` does not offer.
 */

import { cpuDevice } from "../kernels/cpu/device.ts";
import { mebibytes, peakBytes } from "./memory.ts";
import { type LinearShape, type OpenBlas, openOpenBlas } from "./openblas.ts";
import { runTorch } from "./torch.ts";

/** Attention output, keys and values, feed-forward up and down, fused queries-keys-values, vocabulary. */
const shapes: LinearShape[] = [[256, 256], [128, 256], [512, 256], [256, 512], [768, 256], [2048, 256]]
  .map(([out, inner]) => ({ rows: 512, out, inner }));

/** Per measurement. */
const seconds = 0.2;
const threadCounts = [...new Set([1, 2, navigator.hardwareConcurrency])]
  .filter((threads) => threads <= navigator.hardwareConcurrency);

/**
 * The best of as many runs of each as fit, in turns: on a shared machine the least disturbed run says most about the
 * code, and turns spread disturbances over both.
 */
function best(...runs: (() => void)[]): number[] {
  const end = performance.now() + seconds * runs.length * 1000;
  const least = runs.map(() => Infinity);
  while (performance.now() < end) {
    for (const [i, run] of runs.entries()) {
      for (let repetition = 0; repetition < 20; repetition++) {
        const start = performance.now();
        run();
        least[i] = Math.min(least[i], performance.now() - start);
      }
    }
  }
  return least.map((milliseconds) => milliseconds / 1000);
}

function randomData(length: number): Float32Array {
  return Float32Array.from({ length }, () => Math.random() - 0.5);
}

/** Our best time of each shape, and OpenBLAS's when it is there. */
async function timeLinear(blas: OpenBlas | null, threads: number): Promise<number[][]> {
  using device = await cpuDevice({ threads });
  blas?.setThreads(threads);
  const times = shapes.map((shape) => {
    const { rows, out, inner } = shape;
    const xs = randomData(rows * inner), ws = randomData(out * inner), ys = new Float32Array(rows * out);
    using weight = device.weight(ws, out, inner);
    using x = device.upload(xs), y = device.allocate(rows * out);
    const ours = () => device.linear(x, weight, null, y, rows);
    return blas ? best(ours, () => blas.linear(xs, ws, ys, shape)) : best(ours);
  });
  console.log(`quantbook: ${device.description}, at most ${mebibytes(device.memory.peak)} held`);
  return times;
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
  const times = await timeLinear(blas, threads);
  const names = shapes.map(({ rows, out, inner }) => `${rows}x${out}x${inner}`);
  type Report = { version: string; seconds: number[] };
  const torch = await runTorch<Report>("linear", threads, seconds, ...names);
  if (torch) console.log(`PyTorch ${torch.version}`);
  console.log(
    `\nGFLOP/s with ${threads} thread${threads === 1 ? "" : "s"}; in brackets our speed over theirs`,
  );
  console.table(
    Object.fromEntries(shapes.map((shape, i) => [`${shape.rows} x ${shape.out} x ${shape.inner}`, {
      quantbook: cell(shape, times[i][0]),
      OpenBLAS: cell(shape, times[i][1], times[i][0]),
      PyTorch: cell(shape, torch?.seconds[i], times[i][0]),
    }])),
  );
}
console.log(`peak resident memory of this process: ${mebibytes(await peakBytes())}`);
