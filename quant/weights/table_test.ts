/** Weights of codes into a table: packed and simulated execution agree to the bit, and what is measured is what is held. */
import { assertEquals } from "@std/assert";
import { assertSameBits } from "../../kernels/conformance/suite.ts";
import { packedValues } from "../../kernels/host/packed.ts";
import { loadModel } from "../../model/load.ts";
import { fp8 } from "../methods/fp8.ts";
import { mx } from "../methods/mx.ts";
import { nf4 } from "../methods/nf4.ts";
import { nvfp4 } from "../methods/nvfp4.ts";
import { quantize } from "../quantize.ts";
import { weightStorage } from "./linear.ts";
import { TableWeight } from "./table.ts";

const schemes = {
  "fp8": fp8(),
  "fp8 in blocks of 128": fp8({ granularity: "block", element: "e5m2" }),
  "mxfp4": mx({ element: "e2m1" }),
  "mxfp6": mx({ element: "e3m2" }),
  "nvfp4": nvfp4({ target: "mse" }),
  "nf4": nf4({ doubleQuant: true }),
};
/** 8 bits and 4 bytes for each of the rows of 256 and 512 (a quarter of the weights); a byte for 32; a byte for 16; a byte for 64, four for 256 of them. */
const bits = [8 + 32 / 288, 8 + 32 / 2 ** 14, 4.25, 6.25, 4.5, 4 + 8 / 64 + 32 / 2 ** 14];

Deno.test("table weights: packed execution gives the bits of simulated execution, with one token and with several", async () => {
  using model = await loadModel("fixture:llama");
  for (const [i, [name, weights]] of Object.entries(schemes).entries()) {
    using simulated = await quantize(model, { weights });
    using packed = await quantize(model, { weights }, { execution: "packed" });
    for (const ids of [Int32Array.of(3), Int32Array.of(5, 7, 11, 13, 17, 19, 23)]) {
      assertSameBits(await packed.logits(ids), await simulated.logits(ids), name);
    }
    const { bitsPerWeight } = weightStorage(packed);
    const tolerance = 0.01;
    assertEquals(
      Math.abs(bitsPerWeight - bits[i]) < tolerance,
      true,
      `${name}: ${bitsPerWeight} bits, expected ${bits[i]}`,
    );
  }
});

Deno.test("table weights: a device holds the values that are measured", async () => {
  using model = await loadModel("fixture:llama");
  using quantized = await quantize(model, { weights: nvfp4() });
  const { stored } = quantized.linear(1, "down");
  if (!(stored instanceof TableWeight)) throw new TypeError("nvfp4 gives no TableWeight");
  assertEquals(packedValues(stored.pack()), stored.dequantize());
  const [out, inputs] = stored.shape;
  assertEquals(stored.byteLength, out * inputs / 2 + out * inputs / 16 + 4);
});
