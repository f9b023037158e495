/**
 * Speed of the GPU device beside the physical limits of the same adapter, measured in the same run:
 * `deno run -A bench/gpu_bench.ts [--record]`. Copy bandwidth and peak arithmetic first; then float32 products as a
 * share of that peak, and matrix-vector products, dense and packed, as a share of that bandwidth. `--record` writes
 * the table to `bench/results` with adapter, date and versions. A software adapter gets small shapes: its times say
 * nothing about a GPU, and it is never recorded.
 */

import { describe, findAdapter, isSoftware, openAdapter } from "../kernels/gpu/adapter.ts";
import { gpuDevice } from "../kernels/gpu/device.ts";
import { Kernel } from "../kernels/gpu/kernel.ts";
import { Recorder } from "../kernels/gpu/recorder.ts";
import type { Device } from "../kernels/device.ts";
import type { PackedIntegers } from "../kernels/codes.ts";
import peakSource from "./peak.wgsl" with { type: "text" };

/** A line of the table. */
interface Row {
  readonly name: string;
  /** Of one run: the median, and the 10th and 90th percentile. */
  readonly seconds: readonly [median: number, low: number, high: number];
  /** Bytes that must move, and operations that must be done. */
  readonly bytes: number;
  readonly flop: number;
}

/** Seconds of one measurement: long beside the 10 ms after which Deno notices that a GPU is done. */
const seconds = 0.4, measurements = 9;

/** Times `run`, which enqueues work, with `wait`, which waits for it; waiting for nothing is subtracted. */
async function time(run: () => void, wait: () => Promise<unknown>): Promise<Row["seconds"]> {
  const once = async (repetitions: number) => {
    const start = performance.now();
    for (let i = 0; i < repetitions; i++) run();
    await wait();
    return (performance.now() - start) / 1000;
  };
  await once(1);
  const idle = Math.min(await once(0), await once(0), await once(0));
  let repetitions = 1;
  for (let took = await once(1); took < seconds / 2 && repetitions < 1e6;) {
    repetitions *= Math.max(2, Math.min(10, Math.floor(seconds / (took + 1e-3))));
    took = await once(repetitions);
  }
  const times: number[] = [];
  for (let i = 0; i < measurements; i++) times.push((await once(repetitions) - idle) / repetitions);
  times.sort((a, b) => a - b);
  return [times[measurements >> 1], times[0], times[measurements - 1]];
}

/** Multiply-adds from registers, on a device of its own. */
async function measurePeak(adapter: GPUAdapter, software: boolean): Promise<Row> {
  const gpu = await openAdapter(adapter), recorder = new Recorder(gpu);
  const kernel = new Kernel("peak", peakSource), groups = software ? 64 : 8192, steps = software ? 256 : 4096;
  const size = groups * 256 * 16;
  const result = gpu.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const run = () =>
    recorder.dispatch(kernel, { result: { buffer: result } }, { steps, factor: 0.5 }, [groups, 1]);
  const measured = await time(run, () => recorder.read(result, 0, 4));
  recorder.close();
  return {
    name: "multiply-adds in registers",
    seconds: measured,
    bytes: size,
    flop: groups * 256 * steps * 64,
  };
}

async function measureCopy(device: Device, megabytes: number): Promise<Row> {
  const length = megabytes * 2 ** 18;
  using from = device.allocate(length), to = device.allocate(length);
  const measured = await time(() => device.copy(from, 0, to, 0, length), () => device.read(to, 0, 1));
  return { name: `copy of ${megabytes} MiB`, seconds: measured, bytes: 8 * length, flop: 0 };
}

async function measureGemm(device: Device, n: number): Promise<Row> {
  using a = device.upload(ramp(n * n)), b = device.upload(ramp(n * n)), c = device.allocate(n * n);
  const shape = { m: n, n, k: n };
  const measured = await time(() => device.gemm(a, b, c, shape), () => device.read(c, 0, 1));
  return { name: `f32 product ${n}^3`, seconds: measured, bytes: 12 * n * n, flop: 2 * n ** 3 };
}

async function measureDense(device: Device, out: number, inputs: number, rows: number): Promise<Row> {
  using weight = device.weight(ramp(out * inputs), out, inputs);
  using x = device.upload(ramp(rows * inputs)), y = device.allocate(rows * out);
  const measured = await time(() => device.linear(x, weight, null, y, rows), () => device.read(y, 0, 1));
  const bits = 8 * weight.byteLength / (out * inputs);
  const name = `f${bits} weight ${out} x ${inputs}, ${rows} row${rows > 1 ? "s" : ""}`;
  return { name, seconds: measured, bytes: weight.byteLength, flop: 2 * rows * out * inputs };
}

async function measurePacked(
  device: Device,
  out: number,
  inputs: number,
  bits: number,
  rows: number,
): Promise<Row> {
  const groupSize = 128, ranges = out * inputs / groupSize;
  const packed: PackedIntegers = {
    outFeatures: out,
    inFeatures: inputs,
    bits,
    groupSize,
    codes: new Uint8Array(out * inputs * bits / 8).fill(0x5a),
    scales: new Float32Array(ranges).fill(0.01),
    zeros: new Uint8Array(ranges).fill(2 ** (bits - 1)),
  };
  using weight = device.packedWeight(packed);
  using x = device.upload(ramp(rows * inputs)), y = device.allocate(rows * out);
  const measured = await time(() => device.linear(x, weight, null, y, rows), () => device.read(y, 0, 1));
  const name = `W${bits} g${groupSize} weight ${out} x ${inputs}, ${rows} row${rows > 1 ? "s" : ""}`;
  return { name, seconds: measured, bytes: weight.byteLength, flop: 2 * rows * out * inputs };
}

function ramp(length: number): Float32Array {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = (i % 97) / 97 - 0.5;
  return values;
}

/** Measures and prints. */
async function main(): Promise<void> {
  const adapter = await findAdapter();
  if (typeof adapter === "string") {
    return console.log(`nothing is measured: ${adapter}`);
  }
  const software = isSoftware(adapter);
  using device = await gpuDevice();
  console.log(`${device.description}, Deno ${Deno.version.deno}, ${new Date().toISOString()}`);
  if (software) console.log("a software adapter: small shapes, and times that say nothing about a GPU");
  const peak = await measurePeak(adapter, software), copy = await measureCopy(device, software ? 16 : 256);
  const flops = peak.flop / peak.seconds[0], bandwidth = copy.bytes / copy.seconds[0];
  const [out, inputs] = software ? [3072, 768] : [49152, 12288];
  const rows: Row[] = [peak, copy, await measureGemm(device, software ? 256 : 4096)];
  using half = await gpuDevice({ weights: "float16" });
  for (const one of [device, half]) rows.push(await measureDense(one, out / 4, inputs, 1));
  for (const bits of [4, 3, 2]) rows.push(await measurePacked(device, out, inputs, bits, 1));
  rows.push(await measurePacked(device, out / 4, inputs, 4, software ? 16 : 512));
  const table = rows.map(({ name, seconds: [median, low, high], bytes, flop }) => ({
    name,
    "median us": Number((median * 1e6).toFixed(1)),
    "low us": Number((low * 1e6).toFixed(1)),
    "high us": Number((high * 1e6).toFixed(1)),
    "GB/s": Number((bytes / median / 1e9).toPrecision(3)),
    "of copy": Number((bytes / median / bandwidth).toFixed(3)),
    "Gflop/s": Number((flop / median / 1e9).toPrecision(3)),
    "of peak": Number((flop / median / flops).toFixed(3)),
    // The least time that these limits allow, over the time taken.
    "of roofline": Number((Math.max(bytes / bandwidth, flop / flops) / median).toFixed(3)),
  }));
  console.table(table);
  if (Deno.args.includes("--record")) {
    if (software) {
      console.log("not recorded: a software adapter");
    } else {
      const date = new Date().toISOString(),
        { vendor, architecture, device: model, description } = adapter.info;
      const record = { date, vendor, architecture, model, description, deno: Deno.version.deno, table };
      const name = `gpu-${describe(adapter).replace(/\W+/g, "-").toLowerCase()}-${date.slice(0, 10)}.json`;
      await Deno.mkdir(new URL("./results/", import.meta.url), { recursive: true });
      await Deno.writeTextFile(
        new URL(`./results/${name}`, import.meta.url),
        JSON.stringify(record, null, 2) + "\n",
      );
      console.log(`recorded in bench/results/${name}`);
    }
  }
}

await main();
