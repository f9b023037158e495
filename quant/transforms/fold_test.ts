import { assert, assertEquals } from "@std/assert";
import { type InputSite, siteColumns } from "../../model/architecture.ts";
import { loadModel } from "../../model/load.ts";
import { awq } from "../methods/awq.ts";
import { quarot } from "../methods/quarot.ts";
import { quantize } from "../quantize.ts";
import { Folding, isFoldable } from "./fold.ts";

const sites: InputSite[] = ["attention", "output", "mlp", "down"];
const ids = Int32Array.from({ length: 24 }, (_, i) => 7 * i + 3);

for (const name of ["fixture:opt", "fixture:llama-outlier"]) {
  Deno.test(`${name}: folding powers of two changes no bit of the logits`, async () => {
    using model = await loadModel(name);
    const { architecture } = model;
    const foldable = sites.filter((site) => isFoldable(model, site));
    // The llama fixture shares each value head between two query heads, OPT has biases and ReLU.
    assertEquals(foldable, name === "fixture:opt" ? sites : ["attention", "mlp", "down"]);
    const folding = new Folding(model);
    for (let layer = 0; layer < architecture.layers; layer++) {
      for (const [k, site] of foldable.entries()) {
        // Scaling by powers of two is exact, so that the folded model must agree to the last bit.
        const scales = Float32Array.from(
          { length: siteColumns(architecture, site) },
          (_, j) => 2 ** ((j * 7 + layer + k) % 9 - 4),
        );
        await folding.scale(layer, site, scales);
      }
    }
    using folded = folding.apply("test");
    assertEquals(await folded.logits(ids), await model.logits(ids));
    const weight = await model.linear(1, "down").values(), scaled = await folded.linear(1, "down").values();
    assert(weight.some((value, i) => value !== scaled[i]));
    assert(await folded.hash() !== await model.hash());
  });
}

Deno.test("nothing is folded through a transform that runs for every token", async () => {
  using model = await loadModel("fixture:opt");
  using rotated = await quantize(model, { transforms: [quarot()] });
  assertEquals(sites.filter((site) => isFoldable(rotated, site)), ["attention", "mlp"]);
  using folded = await quantize(rotated, {
    weights: awq({ bits: 8, groupSize: -1, ratios: 2, clipping: false }),
  }, { calibration: [ids] });
  const expected = await model.logits(ids), found = await folded.logits(ids);
  const size = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  assert(found.every((x, i) => Math.abs(x - expected[i]) < 0.05 * size));
});

Deno.test("fixture:mamba: what its one norm feeds is folded to the bit, and nothing else can be", async () => {
  using model = await loadModel("fixture:mamba");
  const all: InputSite[] = ["mixer", "convolved", "step", "scanned"];
  assertEquals(all.filter((site) => isFoldable(model, site)), ["mixer"]);
  const folding = new Folding(model);
  for (let layer = 0; layer < model.architecture.layers; layer++) {
    const columns = siteColumns(model.architecture, "mixer");
    await folding.scale(
      layer,
      "mixer",
      Float32Array.from({ length: columns }, (_, j) => 2 ** ((j + layer) % 5 - 2)),
    );
  }
  using folded = folding.apply("test");
  const found = await folded.logits(ids), expected = await model.logits(ids);
  assert(found.every((value, i) => value === expected[i]));
});
