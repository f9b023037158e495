/** Rewrites and walks know every family: what preserves the function does so, what cannot be rewritten is refused. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { pathOf } from "../base/file.ts";
import { onSoftwareGpu } from "../kernels/conformance/software_gpu.ts";
import { type InputSite, rolesOfSite } from "../model/architecture.ts";
import { loadModel } from "../model/load.ts";
import type { Model } from "../model/model.ts";
import { awq } from "./methods/awq.ts";
import { Folding, isFoldable } from "./transforms/fold.ts";
import { quantize } from "./quantize.ts";
import { qqq } from "./methods/qqq.ts";
import { SchemeError } from "./error.ts";
import { walkSites } from "./calibration/sites.ts";
import { smoothQuant } from "./methods/smoothquant.ts";

const folder = pathOf(new URL("../fixtures/families/", import.meta.url));
const entries: { dir: string; family: string }[] = JSON.parse(await Deno.readTextFile(`${folder}index.json`));
/** One checkpoint of each family, and the layouts that compute something else. */
const layouts = entries.filter(({ dir, family }, i) =>
  entries.findIndex((other) => other.family === family) === i || dir.endsWith("_like")
).map(({ dir }) => dir);
const apart = ["mixtral", "qwen3_moe", "mamba"]; // experts_test.ts, state_space_test.ts
/** No norm of theirs feeds linear layers alone. */
const unsmoothable = ["olmo2", "opt_350m_like"];
const dense = layouts.filter((dir) => !apart.includes(dir));

const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 37 + 5) % 160);

function distance(found: Float32Array, expected: Float32Array): number {
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
}

Deno.test("smoothing alone changes no family's function", async () => {
  for (const dir of dense) {
    using model = await loadModel(folder + dir);
    const scheme = { transforms: [smoothQuant({ alpha: 0.5 })] };
    if (unsmoothable.includes(dir)) {
      await assertRejects(() => quantize(model, scheme, { calibration: [ids] }), SchemeError, "feeds linear");
      continue;
    }
    using smoothed = await quantize(model, scheme, { calibration: [ids] });
    assert(
      distance(await smoothed.linear(0, "q").values(), await model.linear(0, "q").values()) > 1e-3,
      `${dir}: nothing was smoothed`,
    );
    // Logits have a standard deviation of 2; each weight and norm is rounded once more than before.
    assertLess(distance(await smoothed.logits(ids), await model.logits(ids)), 1e-4, dir);
  }
});

Deno.test("powers of two fold into every pair of layers without a trace", async () => {
  const folded = new Set<string>();
  for (const dir of dense) {
    using model = await loadModel(folder + dir);
    const { architecture } = model;
    const folding = new Folding(model);
    for (const site of ["attention", "output", "mlp", "down"] as const satisfies readonly InputSite[]) {
      if (!isFoldable(model, site)) continue;
      const role = rolesOfSite[site].findLast((one) => architecture.linears[one] !== undefined);
      assert(role !== undefined);
      const columns = model.linear(0, role).shape[1];
      await folding.scale(0, site, Float32Array.from({ length: columns }, (_, j) => 2 ** (j % 5 - 2)));
      folded.add(site);
    }
    using rewritten = folding.apply("test");
    assertLess(distance(await rewritten.logits(ids), await model.logits(ids)), 1e-5, dir);
  }
  assertEquals(folded.size, 4);
});

Deno.test("a walk over the sites meets the inputs of the forward pass, in every family", async () => {
  for (const dir of dense) {
    using model = await loadModel(folder + dir);
    const seen = new Map<string, Float32Array>();
    const observer = {
      async input(x: Parameters<Model["device"]["read"]>[0], at: { layer: number; site: string }) {
        seen.set(`${at.layer}.${at.site}`, await model.device.read(x));
      },
    };
    for (const hidden of await model.hiddenStates([ids], [observer])) hidden[Symbol.dispose]();
    let stops = 0;
    await walkSites(model, [ids], async (stop) => {
      const [input] = stop.inputs;
      assertEquals(await model.device.read(input), seen.get(`${stop.layer}.${stop.site}`), dir);
      stops++;
      return [await stop.run(stop.linears, input, ids.length)];
    });
    assertEquals(stops, seen.size, dir);
  }
});

Deno.test("methods that rewrite pairs run on every kind of family", { ignore: onSoftwareGpu }, async () => {
  // One of each: side by side, norms behind blocks and behind sums, two norms, fused and transposed weights, plain ReLU.
  for (const dir of ["falcon", "gemma2", "olmo2", "opt_350m_like", "phi3", "gpt2", "stablelm_12b_like"]) {
    using model = await loadModel(folder + dir);
    const expected = await model.logits(ids);
    const schemes = [{ weights: awq({ bits: 8, groupSize: -1, ratios: 3 }) }, {
      weights: qqq({ groupSize: -1 }),
    }];
    for (const [i, scheme] of schemes.entries()) {
      using quantized = await quantize(model, scheme, { calibration: [ids] });
      const error = distance(await quantized.logits(ids), expected);
      // 8 bits keep the logits (deviation 2); 4 bits only have to stay finite on random weights this small.
      assert(i === 0 ? error < 0.5 : Number.isFinite(error), `${dir} ${JSON.stringify(scheme)}: ${error}`);
    }
  }
});
