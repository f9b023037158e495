/** Products of packed codes beyond the device interface: int8 in int32, and look-up tables for binary codes. */

import { assert, assertEquals } from "@std/assert";
import { gamma, Random } from "../device_suite.ts";
import { findAdapter } from "./adapter.ts";
import { openGpu } from "./device.ts";
import { LutWeight } from "./lut.ts";

const adapter = await findAdapter();
const ignore = typeof adapter === "string";
if (ignore) console.log(`the GPU device is not tested: ${adapter}`);
const random = new Random(21);

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
