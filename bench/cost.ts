/**
 * Measures the cost model: `deno run -A bench/cost.ts [--rounds N] [--from FILE] [--record]`. Cells of all methods run in an order
 * drawn anew for each round; the rates of this device are fitted to one half of them (`fit`), and the other half, with
 * windows of other lengths, is predicted. Seconds are CPU seconds of one thread, the least of all rounds, so that what else
 * runs on the machine matters little; the cells of an earlier run (`--from`) count as one more round. `--record` writes the cells and the rates to where tests and plans look for them.
 */
import { parseArgs } from "node:util";
import process from "node:process";
import {
  awq,
  bcq,
  corpus,
  gptq,
  kivi,
  kvquant,
  llmInt8,
  loadModel,
  measure,
  qqq,
  qrazor,
  quantize,
  rtn,
  type Scheme,
  smoothQuant,
  spqr,
} from "../mod.ts";
import { FloatPredictions } from "../eval/mod.ts";
import { PythonRandom } from "../base/random.ts";
import { zeroQuantScheme } from "../eval/oracle/schemes/zeroquant.ts";
import { cpuDevice } from "../kernels/cpu/device.ts";
import { fitRates, type Sample } from "../eval/cost/fit.ts";
import { predictSeconds } from "../eval/cost.ts";
import { predictBytes } from "../eval/cost/memory.ts";
import { quantizingWork, scoringWork, type WindowLengths } from "../eval/cost/work.ts";

/** A cell, and what it took. */
export interface MeasuredCost {
  readonly model: string;
  readonly label: string;
  readonly scheme: Scheme;
  readonly texts: WindowLengths;
  /** Whether the rates were fitted to it. */
  readonly fit: boolean;
  /** Least CPU seconds of all rounds. */
  readonly seconds: { readonly quantize: number; readonly evaluate: number };
  readonly peakBytes: number;
}

const { values } = parseArgs({
  args: Deno.args,
  options: {
    from: { type: "string" },
    rounds: { type: "string", default: "3" },
    record: { type: "boolean", default: false },
  },
});
const token8 = rtn({ bits: 8, granularity: "token" });
const schemes: Record<string, Scheme> = {
  "float": {},
  "RTN W4": { weights: rtn({ bits: 4, groupSize: 128 }) },
  "RTN W8A8": { weights: rtn({ bits: 8 }), activations: token8 },
  "SmoothQuant W8A8": {
    transforms: [smoothQuant({ alpha: 0.55 })],
    weights: rtn({ bits: 8 }),
    activations: token8,
  },
  "GPTQ W4": { weights: gptq({ bits: 4, groupSize: 128, actOrder: true }) },
  "SpQR W3": { weights: spqr({ bits: 3 }) },
  "AWQ W4": { weights: awq({ bits: 4, groupSize: 128 }) },
  "QQQ W4A8": { weights: qqq({ groupSize: 128 }), activations: token8 },
  "QRazor W4": { weights: qrazor({ bits: 4, baseBits: 8, groupSize: 32 }) },
  "BCQ 3": { weights: bcq({ bits: 3, groupSize: 128 }) },
  "LLM.int8()": { linears: llmInt8({ threshold: 6 }) },
  "ZeroQuant": zeroQuantScheme({ bits: 8, mlpBits: 8, activationBits: 8, groups: 64 }),
  "KIVI 2": { kv: kivi({ bits: 2 }) },
  "KVQuant 3": { kv: kvquant({ bits: 3 }) },
};
const layouts = [
  { windows: [1, 320], calibration: [2, 128], fit: true },
  { windows: [3, 96], calibration: [3, 64], fit: true },
  { windows: [2, 192], calibration: [2, 96], fit: false },
] as const;
const cells = ["fixture:llama", "fixture:opt"].flatMap((model) =>
  layouts.flatMap((layout) =>
    Object.entries(schemes).map(([label, scheme]) => ({ model, layout, label, scheme }))
  )
);
type Cell = typeof cells[number];

async function runCell({ model: specifier, layout, scheme }: Cell): Promise<[number, number, number]> {
  const cut = ([windows, length]: readonly [number, number]) => corpus("sotu", { windows, length });
  const windows = await cut(layout.windows), calibration = await cut(layout.calibration);
  using device = await cpuDevice({ threads: 1 });
  using model = await loadModel(specifier, { device });
  const reference = await FloatPredictions.of(model, windows);
  const start = process.cpuUsage();
  using quantized = await quantize(model, scheme, { calibration });
  const middle = process.cpuUsage(start);
  await measure(quantized, windows, reference);
  const end = process.cpuUsage(start);
  const [quantizing, all] = [middle, end].map(({ user, system }) => (user + system) / 1e6);
  return [quantizing, all - quantizing, device.memory.peak];
}

/** The cells with the best times so far. */
function measuredCells(): MeasuredCost[] {
  const lengths = ([windows, length]: readonly [number, number]) => new Array<number>(windows).fill(length);
  return cells.map((cell) => {
    const [quantize, evaluate, peakBytes] = best.get(cell) ?? [NaN, NaN, NaN];
    const { model, label, scheme, layout } = cell;
    const texts = { windows: lengths(layout.windows), calibration: lengths(layout.calibration) };
    return { model, label, scheme, texts, fit: layout.fit, seconds: { quantize, evaluate }, peakBytes };
  });
}

const best = new Map<Cell, [number, number, number]>();
if (values.from !== undefined) {
  const earlier: MeasuredCost[] = JSON.parse(await Deno.readTextFile(values.from));
  for (const [i, { seconds, peakBytes }] of earlier.entries()) {
    best.set(cells[i], [seconds.quantize, seconds.evaluate, peakBytes]);
  }
}
const random = new PythonRandom(0);
await Deno.mkdir(".quantbook", { recursive: true });
for (let round = 0; round < Number(values.rounds); round++) {
  const order = cells.map((cell) => ({ cell, place: random.randint(0, 1 << 30) })).sort((a, b) =>
    a.place - b.place
  );
  for (const { cell } of order) {
    const [q, s] = best.get(cell) ?? [Infinity, Infinity];
    // What takes long is measured well enough once.
    if (q + s > 3 && best.has(cell)) continue;
    const [quantizing, scoring, bytes] = await runCell(cell);
    best.set(cell, [Math.min(q, quantizing), Math.min(s, scoring), bytes]);
  }
  await Deno.writeTextFile(".quantbook/cost.json", JSON.stringify(measuredCells()));
  console.error(`round ${round + 1} of ${values.rounds}`);
}

/**
 * Products alone, of matrices as wide as those of larger models: on models this small, the fit could not tell them from
 * what is done element by element.
 */
async function wideProducts(): Promise<Sample[]> {
  using device = await cpuDevice({ threads: 1 });
  const rows = 128;
  return [512, 1024, 2048].map((width) => {
    using weight = device.weight(new Float32Array(width * width).fill(0.5), width, width);
    using x = device.upload(new Float32Array(rows * width).fill(0.5)), y = device.allocate(rows * width);
    let seconds = Infinity;
    for (let turn = 0; turn < 12; turn++) {
      const start = process.cpuUsage();
      device.linear(x, weight, null, y, rows);
      const { user, system } = process.cpuUsage(start);
      seconds = Math.min(seconds, (user + system) / 1e6);
    }
    return { work: { products: rows * width ** 2 }, seconds };
  });
}

const measured = measuredCells();
const architectures = new Map(
  await Promise.all(["fixture:llama", "fixture:opt"].map(async (name) => {
    using model = await loadModel(name);
    return [name, model.architecture] as const;
  })),
);
const architectureOf = (name: string) =>
  architectures.get(name) ?? (() => {
    throw new Error(name);
  })();
const samples = measured.filter(({ fit }) => fit).flatMap(({ model, scheme, texts, seconds }): Sample[] => [
  { work: quantizingWork(architectureOf(model), scheme, texts), seconds: seconds.quantize },
  { work: scoringWork(architectureOf(model), scheme, texts), seconds: seconds.evaluate },
]);
samples.push(...await wideProducts());
const profile = {
  description: `${navigator.hardwareConcurrency} cores, one thread, WebAssembly SIMD128 (bench/cost.ts)`,
  seconds: fitRates(samples),
};
console.table(measured.map(({ model, label, scheme, texts, fit, seconds, peakBytes }) => {
  const architecture = architectureOf(model);
  const quantizing = predictSeconds(quantizingWork(architecture, scheme, texts), profile);
  const scoring = predictSeconds(scoringWork(architecture, scheme, texts), profile);
  return {
    model: model.slice(8),
    label,
    windows: texts.windows.join(),
    fit,
    quantize: seconds.quantize.toFixed(3),
    evaluate: seconds.evaluate.toFixed(3),
    "predicted/measured": ((quantizing + scoring) / (seconds.quantize + seconds.evaluate)).toFixed(2),
    MB: (peakBytes / 1e6).toFixed(1),
    "MB ratio": (predictBytes(architecture, scheme, texts, "simulated") / peakBytes).toFixed(2),
  };
}));
console.log(profile.seconds);
if (values.record) {
  const folder = new URL("../fixtures/devices/", import.meta.url);
  await Deno.writeTextFile(new URL("cpu.json", folder), JSON.stringify(profile, null, 1) + "\n");
  const lines = measured.map((cell) => JSON.stringify(cell)).join(",\n");
  await Deno.writeTextFile(new URL("cpu.measured.json", folder), `[\n${lines}\n]\n`);
}
Deno.exit();
