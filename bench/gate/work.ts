/** The work that the performance gate times, on the kernels of any revision. */

import type { Device } from "../../kernels/device.ts";
import type { BinaryCodes, PackedIntegers } from "../../kernels/codes.ts";
import type { Work } from "../measure.ts";

/** Numbers between -0.5 and 0.5; speed does not depend on them. */
export function ramp(length: number): Float32Array {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = (i * 7 % 97) / 97 - 0.5;
  return values;
}

/** A weight of codes that repeat, in groups of 128. */
export function packedRamp(out: number, inputs: number, bits: number): PackedIntegers {
  const ranges = out * inputs / 128, codes = new Uint8Array(out * inputs * bits / 8);
  for (let i = 0; i < codes.length; i++) codes[i] = i * 37;
  return {
    outFeatures: out,
    inFeatures: inputs,
    bits,
    groupSize: 128,
    codes,
    scales: new Float32Array(ranges).fill(0.01),
    zeros: new Uint8Array(ranges).fill(2 ** (bits - 1)),
  };
}

/** A weight of binary codes that repeat, in groups of 128. */
export function binaryRamp(out: number, inputs: number, bits: number): BinaryCodes {
  const patterns = new Uint8Array(out * inputs), alphas = new Float32Array(out * inputs / 128 * bits);
  for (let i = 0; i < patterns.length; i++) patterns[i] = i * 37 >> 3 & ((1 << bits) - 1);
  for (let i = 0; i < alphas.length; i++) alphas[i] = 0.01 * (1 + i % bits);
  return { outFeatures: out, inFeatures: inputs, bits, groupSize: 128, patterns, alphas };
}

/** One piece of work for each kernel that takes most of the time of an experiment. Buffers live as long as the device. */
export function gateWork(device: Device): Record<string, Work> {
  const rows = 128, columns = 512;
  const x = device.upload(ramp(rows * columns)), y = device.allocate(rows * columns);
  const dense = device.weight(ramp(columns * columns), columns, columns);
  const [four, three] = [4, 3].map((bits) => device.packedWeight(packedRamp(columns, columns, bits)));
  const signs = device.packedWeight(binaryRamp(columns, columns, 2));
  const gram = device.gram(columns), norm = device.upload(ramp(columns));
  const attention = { tokens: rows, kvTokens: rows, heads: 8, kvHeads: 8, headDim: 64, scale: 0.125 };
  const rule = { bits: 4, mode: "asymmetric", zeroInRange: true } as const;
  const one = { x: device.upload(ramp(columns)), y: device.allocate(columns) };
  return {
    "product": () => device.linear(x, dense, null, y, rows),
    "product, one row": () => device.linear(one.x, dense, null, one.y, 1),
    "W4 product": () => device.linear(x, four, null, y, rows),
    "W4 product, one row": () => device.linear(one.x, four, null, one.y, 1),
    "W3 product, one row": () => device.linear(one.x, three, null, one.y, 1),
    "two planes of signs, one row": () => device.linear(one.x, signs, null, one.y, 1),
    "attention": () => device.attention(x, x, x, y, attention),
    "root mean square norm": () => device.rmsNorm(x, norm, y, rows, 1e-5),
    "fake quantization of rows": () => device.fakeQuantize(x, y, rule, { rows, columns, axis: "row" }),
    "Gram matrix": () => gram.add(x, rows),
  };
}
