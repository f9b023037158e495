/** `deno bench -A bench/packed_bench.ts`: 4-bit weights in groups of 128 against dense float32 ones; 4096 x 4096 does not fit in a cache. */

import { Random } from "../kernels/conformance/suite.ts";
import { packedValues } from "../kernels/host/packed.ts";
import { cpuDevice } from "../kernels/cpu/device.ts";

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
  const dense = device.weight(packedValues(integers), out, inner), packed = device.packedWeight(integers);
  for (const rows of [1, 512]) {
    const x = device.upload(random.normal(rows * inner)), y = device.allocate(rows * out);
    const group = `${rows} x ${out} x ${inner}, ${device.threads} threads`;
    const few = rows * out * inner > 1e9 ? { n: 4, warmup: 1 } : {};
    for (const [name, weight] of [["dense", dense], ["packed", packed]] as const) {
      const run = () => device.linear(x, weight, null, y, rows);
      Deno.bench({ name: `${name} ${group}`, group, baseline: weight === dense, fn: run, ...few });
    }
  }
}
