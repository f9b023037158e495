/** Products of packed codes beyond the device interface: int8 in int32, and look-up tables for binary codes. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { gamma, Random } from "../device_suite.ts";
import { DeviceError } from "../error.ts";
import { findAdapter } from "./adapter.ts";
import { openGpu } from "./device.ts";
import { Int8Weight } from "./int8.ts";
import { LutWeight } from "./lut.ts";

const adapter = await findAdapter();
const ignore = typeof adapter === "string";
if (ignore) console.log(`the GPU device is not tested: ${adapter}`);
const random = new Random(21);

Deno.test({
  name: "Int8Weight: sums of products of int8 codes, exact",
  ignore,
  async fn() {
    using device = await openGpu();
    for (const [rows, out, inner] of [[1, 1, 1], [3, 5, 7], [65, 67, 129], [2, 100, 1030]]) {
      const int8 = (length: number) =>
        Int8Array.from({ length }, () => Math.floor(256 * random.next()) - 128);
      const x = int8(rows * inner), codes = int8(out * inner);
      // Extremes, which 16-bit sums would not hold.
      if (inner > 100) x.fill(-128, 0, inner), codes.fill(-128, 0, inner);
      using weight = new Int8Weight(device, codes, out, inner);
      const got = await weight.product(x, rows);
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < out; j++) {
          let sum = 0;
          for (let l = 0; l < inner; l++) sum += x[i * inner + l] * codes[j * inner + l];
          assertEquals(got[i * out + j], sum, `${rows} x ${out} x ${inner}, output ${i}, ${j}`);
        }
      }
    }
    assertEquals(device.memory.used, 0);
    assertThrows(() => new Int8Weight(device, new Int8Array(3), 2, 2), DeviceError, "codes holds 3 elements");
  },
});

Deno.test({
  name: "LutWeight: look-ups give the product in float64, within the rounding of tables and sums",
  ignore,
  async fn() {
    using device = await openGpu();
    for (
      const [out, inner, bits, groupSize, shifted] of [
        [1, 32, 1, 32, 0],
        [7, 96, 3, 32, 1],
        [300, 256, 4, 128, 0],
        [33, 64 * 70, 2, 64, 1],
      ]
    ) {
      const groups = inner / groupSize, patterns = new Uint8Array(out * inner);
      for (let i = 0; i < patterns.length; i++) patterns[i] = Math.floor(2 ** bits * random.next());
      const alphas = random.normal(out * groups * bits), offsets = random.normal(out * groups);
      const codes = { outFeatures: out, inFeatures: inner, bits, groupSize, patterns, alphas };
      using weight = new LutWeight(device, shifted ? { ...codes, offsets } : codes);
      const x = random.normal(inner);
      using input = device.upload(x), y = device.allocate(out);
      weight.product(input, y);
      const got = await device.read(y);
      for (let j = 0; j < out; j++) {
        let sum = 0, size = 0;
        for (let l = 0; l < inner; l++) {
          const group = j * groups + Math.floor(l / groupSize);
          let value = shifted ? offsets[group] : 0, magnitude = Math.abs(value);
          for (let plane = 0; plane < bits; plane++) {
            const alpha = alphas[group * bits + plane];
            value += (patterns[j * inner + l] >> plane) & 1 ? alpha : -alpha;
            magnitude += Math.abs(alpha);
          }
          sum += value * x[l];
          size += magnitude * Math.abs(x[l]);
        }
        // An entry is a sum of 8 in three levels, a word adds two, its scale multiplies; then a sum over the words and
        // planes (and offsets) of a share, and over the shares.
        const words = inner / 32, terms = Math.min(words, 64) * (bits + shifted) + Math.ceil(words / 64);
        const bound = gamma(3 + 2 + 1 + terms) * size;
        const error = Math.abs(got[j] - sum);
        assert(error <= bound, `${out} x ${inner}, ${bits} bits, output ${j}: error ${error} over ${bound}`);
      }
    }
    assertEquals(device.memory.used, 0);
  },
});
