/** Perplexity on the native device is that of the CPU device, and has the same bits on any number of threads. */

import { assertEquals, assertLess } from "@std/assert";
import { cpuDevice } from "../kernels/cpu/device.ts";
import type { Device } from "../kernels/device.ts";
import { testedDevices } from "../kernels/conformance/suite.ts";
import { nativeDevice } from "../kernels/native/device.ts";
import { loadModel } from "../model/load.ts";
import { kivi } from "../quant/methods/kivi.ts";
import { quantize } from "../quant/quantize.ts";
import { rtn } from "../quant/methods/rtn.ts";
import type { Scheme } from "../quant/scheme.ts";
import { corpus } from "./corpus.ts";
import { perplexity } from "./metrics/perplexity.ts";

const windows = await corpus("sotu", { split: "test", windows: 2, length: 96 });
const schemes: Record<string, Scheme> = {
  "no quantization": {},
  "rtn": { weights: rtn({ bits: 4, groupSize: 64 }) },
  "kivi": { kv: kivi({ bits: 4 }) },
};

async function measure(device: Device, scheme: Scheme): Promise<number> {
  using model = await loadModel("fixture:llama", { device });
  using quantized = await quantize(model, scheme);
  return (await perplexity(quantized, windows)).value;
}

for (const [name, scheme] of Object.entries(schemes)) {
  Deno.test({
    name: `native: the perplexity of the CPU device, on one and two threads: ${name}`,
    ignore: !testedDevices.some(({ family }) => family === "native"),
    async fn() {
      using cpu = await cpuDevice(), one = await nativeDevice({ threads: 1 });
      using two = await nativeDevice({ threads: 2 });
      const value = await measure(one, scheme);
      assertLess(Math.abs(value / await measure(cpu, scheme) - 1), 1e-4);
      assertEquals(await measure(two, scheme), value);
    },
  });
}
