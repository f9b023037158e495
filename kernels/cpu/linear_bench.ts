/** `deno bench -A kernels/cpu/linear_bench.ts`: linear layers of the fixture model, 512 tokens and one token. */

import { cpuDevice } from "./device.ts";

for (const threads of new Set([1, navigator.hardwareConcurrency])) {
  const device = await cpuDevice({ threads });
  for (const [out, inner] of [[256, 256], [128, 256], [512, 256], [256, 512], [768, 256], [2048, 256]]) {
    const weight = device.weight(new Float32Array(out * inner).fill(0.5), out, inner);
    for (const rows of [512, 1]) {
      const x = device.upload(new Float32Array(rows * inner).fill(0.25)), y = device.allocate(rows * out);
      Deno.bench(`${rows} x ${out} x ${inner}, ${threads} threads`, { group: `${rows} rows` }, () => {
        device.linear(x, weight, null, y, rows);
      });
    }
  }
}
