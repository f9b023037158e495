/**
 * `deno bench -A bench/packed_bench.ts`: 4-bit weights in groups of 128, and codes into a table (MXFP4, NVFP4, FP8), against dense float32
 * ones; 4096 x 4096 does not fit in a cache.
 */

import { Random } from "../kernels/conformance/suite.ts";
import { packedValues } from "../kernels/host/packed.ts";
import { cpuDevice } from "../kernels/cpu/device.ts";
import { floatFormats, floatValues } from "../quant/grids/float.ts";

const device = await cpuDevice();
const random = new Random(1);

for (const [out, inner] of [[768, 768], [768, 3072], [4096, 4096]]) {
  const ranges = out * inner / 128;
  const integers = {
    outFeatures: out,
    inFeatures: inner,
    bits: 4,
    groupSize: 128,
    codes: Uint8Array.from({ length: out * inner / 2 }, () => Math.floor(256 * random.next())),
    scales: new Float32Array(ranges).fill(0.01),
    zeros: new Uint8Array(ranges).fill(8),
  };
  const codes = Uint8Array.from({ length: out * inner }, () => Math.floor(256 * random.next()));
  const floats = {
    outFeatures: out,
    inFeatures: inner,
    values: floatValues(floatFormats.e2m1),
    scaleValues: floatValues(floatFormats.e4m3),
  };
  const blocks = (columns: number) => ({
    ...floats,
    bits: 4,
    codes: codes.subarray(0, codes.length / 2),
    block: [1, columns] as const,
    scales: codes.slice(0, out * inner / columns),
  });
  const { scaleValues: _, ...fp8 } = {
    ...floats,
    bits: 8,
    // Without NaN.
    codes: codes.map((code) => code % 128 === 127 ? 0 : code),
    values: floatValues(floatFormats.e4m3),
    block: [1, inner] as const,
    scales: random.normal(out),
  };
  const dense = device.weight(packedValues(integers), out, inner), packed = device.packedWeight(integers);
  const forms = [
    ["dense", dense],
    ["integers", packed],
    ["MXFP4", device.packedWeight(blocks(32))],
    ["NVFP4", device.packedWeight(blocks(16))],
    ["FP8", device.packedWeight(fp8)],
  ] as const;
  for (const rows of [1, 512]) {
    const x = device.upload(random.normal(rows * inner)), y = device.allocate(rows * out);
    const group = `${rows} x ${out} x ${inner}, ${device.threads} threads`;
    const few = rows * out * inner > 1e9 ? { n: 4, warmup: 1 } : {};
    for (const [name, weight] of forms) {
      const run = () => device.linear(x, weight, null, y, rows);
      Deno.bench({ name: `${name} ${group}`, group, baseline: weight === dense, fn: run, ...few });
    }
  }
}
