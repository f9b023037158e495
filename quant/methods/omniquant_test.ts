/** OmniQuant: steps, gradients and logits of the original code on tiny models; what must be exact; what is refused. */
import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import stored from "../../fixtures/expected/methods2/learned/omniquant.json" with { type: "json" };
import type { TinyRun } from "../../eval/oracle/tiny_testing.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { linearRoles } from "../../model/architecture.ts";
import { SchemeError } from "../error.ts";
import { meanSquares } from "../gradients/reconstruction.ts";
import { quantize } from "../quantize.ts";
import { parseScheme, type Scheme } from "../scheme.ts";
import { bitsPerWeight, storedWeight } from "../weights/linear.ts";
import { magnitude } from "./magnitude.ts";
import { checkTinyRun, contextOf } from "./learned_testing.ts";
import { learnOmni, omniquant, omniVariant } from "./omniquant.ts";
import { quarot } from "./quarot.ts";
import { rtn } from "./rtn.ts";

for (const run of stored as unknown as readonly TinyRun[]) {
  Deno.test(`omniquant ${run.model} ${run.config.id}: losses, norms, gradients, steps and logits of the original code`, async () => {
    // In the last step of one run an activation falls to the other side of a tie: its loss is off by 2e-3.
    const sure = run.model === "llama" && run.config.abits === 4 ? 15 : 16;
    await checkTinyRun(run, "OmniQuant", omniVariant, (outcome) => meanSquares(outcome), sure);
  });
}

const windows = [1, 2].map((w) => Int32Array.from({ length: 48 }, (_, i) => 1 + (37 * i * w + i) % 500));

async function valuesOf(model: Model): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  for (let layer = 0; layer < model.architecture.layers; layer++) {
    for (const role of linearRoles(model.architecture)) found.push(await model.linear(layer, role).values());
  }
  return found;
}

Deno.test("omniquant: without parts it is round to nearest; a rate of 0 is its start; what was learned can be given", async () => {
  using model = await loadModel("fixture:llama");
  const made = async (scheme: Scheme) => {
    using quantized = await quantize(model, scheme, { calibration: windows });
    return await valuesOf(quantized);
  };
  const nothing = omniquant({ bits: 3, clip: false, epochs: 0 });
  assertEquals(
    await made({ weights: nothing }),
    await made({ weights: rtn({ bits: 3, zeroInRange: false }) }),
  );
  const still = omniquant({ bits: 3, groupSize: 64, epochs: 1, clipRate: 0 });
  const start = await made({ weights: omniquant({ ...still, epochs: 0 }) });
  assertEquals(await made({ weights: still }), start);
  const learning = omniquant({ bits: 3, groupSize: 64, epochs: 1, clipRate: 0.5, samples: 1 });
  const learned = await made({ weights: learning });
  assert(learned.some((values, i) => values.some((value, j) => value !== start[i][j])));
  const runs = await learnOmni(model, learning, contextOf(windows));
  const parameters = runs.map((run) =>
    Object.fromEntries(Object.entries(run.parameters).map(([name, values]) => [name, Array.from(values)]))
  );
  const given: Scheme = parseScheme(JSON.parse(JSON.stringify({ weights: { ...learning, parameters } })));
  using again = await quantize(model, given);
  assertEquals(await valuesOf(again), learned);
});

Deno.test("omniquant: scales alone leave float logits; packed weights give the same; storage is measured", async () => {
  for (const name of ["llama", "opt"]) {
    using model = await loadModel(`fixture:${name}`);
    const scales = omniquant({ bits: 16, equivalent: true, epochs: 0 });
    using moved = await quantize(model, { weights: scales }, { calibration: windows });
    const [plain, other] = [await model.logits(windows[0]), await moved.logits(windows[0])];
    assertLess(Math.max(...plain.map((value, i) => Math.abs(value - other[i]))), 2e-3);
    const weights = omniquant({ bits: 4, groupSize: 64, epochs: 0 });
    using simulated = await quantize(model, { weights });
    using packed = await quantize(model, { weights }, { execution: "packed" });
    assertEquals(await packed.logits(windows[0]), await simulated.logits(windows[0]));
    const weight = storedWeight(simulated, 0, "q");
    // A scale and a zero point in float32 for each group of 64.
    assertEquals(weight && bitsPerWeight(weight), 5);
  }
});

Deno.test("omniquant refuses by name what it cannot do", async () => {
  using model = await loadModel("fixture:llama");
  const own = omniquant({ bits: 4, epochs: 0 });
  const refused: [Scheme, string][] = [
    [{ weights: own, sparsity: magnitude() }, "has learned nothing of"],
    [
      { weights: rtn({ bits: 4 }), overrides: [{ layers: [0], weights: own }] },
      "rewrites several layers at once",
    ],
    [{ weights: rtn({ bits: 4 }), head: own }, "rewrites several layers at once"],
    [
      { weights: omniquant({ bits: 4, epochs: 0, equivalent: true }), transforms: [quarot()] },
      "equivalent: false",
    ],
    [{ weights: { ...own, parameters: [] } }, "parameters has 0 layers: expected 4"],
    [
      { weights: { ...own, parameters: Array(4).fill({ "q.upper": [1] }) } },
      "parameters[0].q.upper has 1 values: expected 256",
    ],
    [{ weights: omniquant({ bits: 4 }) }, "needs calibration windows"],
  ];
  for (const [scheme, message] of refused) {
    const calibration = message.startsWith("needs") ? undefined : windows;
    const error = await assertRejects(() => quantize(model, scheme, { calibration }), SchemeError);
    assert(error.message.includes(message), `${error.message}: expected ${message}`);
  }
  assertThrows(
    () => omniquant({ bits: 9 }),
    SchemeError,
    "bits is 9: expected an integer from 2 to 8, or 16",
  );
  assertThrows(() => omniquant({ bits: 4, alpha: 2 }), SchemeError, "alpha is 2");
  // @ts-expect-error: no such option
  assertThrows(() => omniquant({ bits: 4, gamma: 2 }), SchemeError, "gamma");
});
