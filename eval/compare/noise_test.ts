/** The noise of a reference leaves what a model computes as it is, in every family: experts, biases, heads and scales included. */
import { assert, assertEquals } from "@std/assert";
import { loadModel } from "../../model/load.ts";
import { quarot } from "../../quant/methods/quarot.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { quantize } from "../../quant/quantize.ts";
import { measureWindow } from "./measure.ts";
import { noiseKinds, noisyModel } from "./noise.ts";

const families = new URL("../../fixtures/families/", import.meta.url);

Deno.test("in every family sums in another order differ by rounding only, bfloat16 by more", async (t) => {
  for (
    const { name, isDirectory } of [...Deno.readDirSync(families)].sort((a, b) => a.name < b.name ? -1 : 1)
  ) {
    if (!isDirectory) continue;
    await t.step(name, async () => {
      using model = await loadModel(`fixtures/families/${name}`);
      const ids = Int32Array.from({ length: 12 }, (_, i) => (i * 37 + 5) % model.architecture.vocabularySize);
      using sums = noisyModel(model, "sums");
      using bfloat16 = noisyModel(model, "bfloat16");
      const [a, b] = (await measureWindow(model, [sums, bfloat16], ids)).map(({ divergence }) =>
        Math.max(...divergence)
      );
      assert(a < 1e-7, `sums: ${a}`);
      // Eight bits of a significand; a router that chooses another expert for them changes more.
      assert(b > a && b < (model.architecture.experts === undefined ? 0.1 : 1), `bfloat16: ${b}`);
      assert(await sums.hash() !== await model.hash() && await sums.hash() !== await bfloat16.hash());
    });
  }
});

Deno.test("a quantized reference keeps its scheme under noise: rotations, rounded activations, packed weights", async () => {
  using float = await loadModel("fixture:llama");
  const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 37 + 5) % 2048);
  const schemes = [
    { scheme: { transforms: [quarot()], weights: rtn({ bits: 4 }) }, execution: "simulated" },
    { scheme: { weights: rtn({ bits: 4, groupSize: 32 }) }, execution: "packed" },
  ] as const;
  for (const { scheme, execution } of schemes) {
    using model = await quantize(float, scheme, { execution });
    for (const kind of noiseKinds) {
      using noisy = noisyModel(model, kind);
      const [own, apart] = await measureWindow(model, [noisy, float], ids);
      const most = (one: typeof own) => Math.max(...one.divergence);
      assert(
        most(own) > 0 && most(own) < most(apart) / 10,
        `${execution} ${kind}: ${most(own)} beside ${most(apart)}`,
      );
    }
  }
  assertEquals(noiseKinds.length, 2);
});
