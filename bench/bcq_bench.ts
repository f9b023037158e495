/**
 * Matrix times vector on the processor: table look-up on binary-coded weights against dense products, at the shapes of
 * the published latency table (`n` outputs, `k = 4 n` inputs): `deno bench -A bench/bcq_bench.ts`. *This language* is
 * TypeScript, one multiplication per weight or one look-up for eight; *SIMD* are the suite's own kernels.
 */
import { cpuDevice } from "../kernels/cpu/device.ts";
import { BcqWeight } from "../quant/weights/binary.ts";
import { lutGemv } from "../quant/weights/lut_gemv.ts";

/** A weight with random signs: how fast a product is does not depend on its values. */
function randomWeight(out: number, inputs: number, bits: number): BcqWeight {
  const groupSize = 128;
  return new BcqWeight({
    shape: [out, inputs],
    bits,
    groupSize,
    patterns: Uint8Array.from({ length: out * inputs }, () => Math.random() * 2 ** bits),
    alphas: Float32Array.from({ length: out * inputs / groupSize * bits }, Math.random),
  });
}

function denseGemv(weight: Float32Array, x: Float32Array, out: number): Float32Array {
  const columns = x.length;
  const y = new Float32Array(out);
  for (let row = 0; row < out; row++) {
    let a = 0, b = 0, c = 0, d = 0;
    const start = row * columns;
    for (let j = 0; j < columns; j += 4) {
      a += weight[start + j] * x[j];
      b += weight[start + j + 1] * x[j + 1];
      c += weight[start + j + 2] * x[j + 2];
      d += weight[start + j + 3] * x[j + 3];
    }
    y[row] = a + b + (c + d);
  }
  return y;
}

const device = await cpuDevice();
for (const out of [512, 1024, 2048]) {
  const inputs = 4 * out, group = `${out} outputs, ${inputs} inputs`;
  const x = Float32Array.from({ length: inputs }, Math.random);
  const dense = Float32Array.from({ length: out * inputs }, Math.random);
  const weight = device.weight(dense, out, inputs);
  const input = device.upload(x), output = device.allocate(out);
  Deno.bench("dense, SIMD", { group, baseline: true }, () => device.linear(input, weight, null, output, 1));
  Deno.bench("dense, this language", { group }, () => void denseGemv(dense, x, out));
  for (const bits of [4, 3, 2]) {
    const coded = randomWeight(out, inputs, bits);
    const signs = device.packedWeight(coded.pack());
    Deno.bench(`look-up, SIMD, ${bits} bits`, { group }, () => device.linear(input, signs, null, output, 1));
    Deno.bench(`look-up, this language, ${bits} bits`, { group }, () => void lutGemv(coded, x));
  }
}
