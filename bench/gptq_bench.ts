/**
 * GPTQ on the fixture model (32 windows of 512 tokens) and on single layers, ours beside a PyTorch float32
 * implementation of the same procedure (`torch/gptq.py`), in one run: `deno bench -A bench/gptq_bench.ts -- [repeats] [threads]`.
 * The two take turns, and the best of the repeats counts. On a machine that others use too, seconds say little;
 * processor seconds on one thread say more (with more threads they include waiting).
 */
import { oracleWindows } from "../eval/oracle.ts";
import { pathOf } from "../base/file.ts";
import { cpuDevice } from "../kernels/cpu/device.ts";
import { loadModel } from "../model/load.ts";
import { gptq, quantizeWithHessian } from "../quant/methods/gptq.ts";
import { quantize } from "../quant/quantize.ts";
import { mebibytes, peakBytes } from "./memory.ts";
import { runTorch } from "./torch.ts";

const repeats = Number(Deno.args[0] ?? 3), threads = Number(Deno.args[1] ?? 2);
const shapes: readonly [rows: number, columns: number][] = [[256, 256], [768, 768], [768, 3072]];
const scheme = gptq({ bits: 4, actOrder: true });

type Times = [seconds: number, processorSeconds: number];

interface Report {
  readonly version: string;
  readonly model: Times[];
  readonly layers: Record<string, Times[]>;
  readonly peakBytes: number;
  readonly bytesBefore: number;
}

/** One repeat of everything in PyTorch. */
const timeTorch = () =>
  runTorch<Report>(
    "gptq",
    ...["../fixtures/models/llama", "../fixtures/expected/tokens.safetensors"]
      .map((name) => pathOf(new URL(name, import.meta.url))),
    threads,
    1,
    ...shapes.map((shape) => shape.join("x")),
  );

/** Processor seconds of this process, all threads together. */
async function processorSeconds(): Promise<number> {
  const stat = await Deno.readTextFile("/proc/self/stat").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The best times so far, by what was run. */
class Best {
  readonly times = new Map<string, Times>();

  add(label: string, [seconds, processor]: Times): void {
    const [leastSeconds, leastProcessor] = this.times.get(label) ?? [Infinity, Infinity];
    this.times.set(label, [Math.min(seconds, leastSeconds), Math.min(processor, leastProcessor)]);
  }

  async run(label: string, work: () => unknown): Promise<void> {
    const start = performance.now(), processor = await processorSeconds();
    await work();
    this.add(label, [(performance.now() - start) / 1000, await processorSeconds() - processor]);
  }
}

/** Normally distributed numbers. */
function normal(length: number): Float32Array {
  const one = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return Float32Array.from({ length }, one);
}

const ours = new Best(), theirs = new Best();
using device = await cpuDevice({ threads });
using model = await loadModel("fixture:llama", { device });
const calibration = await oracleWindows("calib");

let torch: Report | null = null, peak = NaN;
const before = await peakBytes();
const layers: [string, () => unknown][] = [];
for (let i = 0; i < repeats; i++) {
  await ours.run("model", async () => {
    using _quantized = await quantize(model, { weights: scheme }, { calibration });
  });
  if (i === 0) {
    peak = await peakBytes();
    for (const [rows, columns] of shapes) {
      using gram = device.gram(columns);
      using x = device.upload(
        normal(2 * columns * columns).map((value, k) => value * (1 + (k % columns) % 7)),
      );
      gram.add(x, 2 * columns);
      const weight = { rows, columns, data: normal(rows * columns) }, hessian = await gram.read();
      layers.push([`${rows}x${columns}`, () => quantizeWithHessian(weight, hessian, scheme)]);
    }
  }
  for (const [label, work] of layers) await ours.run(label, work);
  torch = await timeTorch();
  for (const times of torch?.model ?? []) theirs.add("model", times);
  for (const [label, list] of Object.entries(torch?.layers ?? {})) {
    for (const times of list) theirs.add(label, times);
  }
}

console.log(
  `quantbook: ${device.description}; PyTorch: ${torch?.version ?? "not found"}, ${threads} threads`,
);
console.table(Object.fromEntries(
  ours.times.entries().map(([label, [seconds, processor]]) => {
    const [theirSeconds, theirProcessor] = theirs.times.get(label) ?? [NaN, NaN];
    return [label === "model" ? "fixture:llama, 32 x 512 tokens" : label, {
      "quantbook, s": seconds.toFixed(3),
      "PyTorch, s": theirSeconds.toFixed(3),
      "ratio": (seconds / theirSeconds).toFixed(2),
      "quantbook, processor s": processor.toFixed(2),
      "PyTorch, processor s": theirProcessor.toFixed(2),
      "processor ratio": (processor / theirProcessor).toFixed(2),
    }];
  }),
));
console.log(
  `peak of the process on the model: quantbook ${mebibytes(peak)} (${mebibytes(before)} before), ` +
    `PyTorch ${mebibytes(torch?.peakBytes ?? NaN)} (${
      mebibytes(torch?.bytesBefore ?? NaN)
    } before loading); ` +
    `device buffers ${mebibytes(device.memory.peak)}`,
);
