/** Advice on small models: within the budget, the same on any number of threads, and honest where uniform bits are as good. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { cpuDevice } from "../../kernels/cpu/device.ts";
import type { LinearRole } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { gptq } from "../../quant/methods/gptq.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { loadModel } from "../../quant/published/load.ts";
import { readScheme } from "../../quant/notation/scheme.ts";
import { SchemeError } from "../../quant/error.ts";
import { quantize } from "../../quant/quantize.ts";
import { sizes } from "../../quant/weights/sizes.ts";
import { corpus } from "../corpus.ts";
import { divergence, FloatPredictions } from "../metrics/divergence.ts";
import { advise } from "./advise.ts";
import { AdvisorError } from "./error.ts";
import type { AdviseOptions } from "./options.ts";
import { sensitivities } from "./scores.ts";
import { weighted } from "./scores/errors.ts";
import { scoreNames } from "./scores/sensitivity.ts";

const candidates = [2, 3, 4].map((bits) => rtn({ bits, groupSize: 64 }));

async function texts({ tokenizer }: Model): Promise<Omit<AdviseOptions, "budget">> {
  const calibration = await corpus("calibration", { windows: 2, length: 40, seed: 0, tokenizer });
  return { candidates, calibration, proof: await corpus("sotu", { windows: 8, length: 48, tokenizer }) };
}

Deno.test("on 1, 2 and 4 threads the same advice, and it is what the scheme gives when it is applied", async () => {
  const hashes: string[] = [];
  for (const threads of [1, 2, 4]) {
    using device = await cpuDevice({ threads });
    using model = await loadModel("fixture:llama-outlier", { device });
    const options = { ...await texts(model), candidates: candidates.slice(1) };
    const advice = await advise(model, { ...options, budget: "3.7bpw" });
    hashes.push(advice.hash);
    if (threads > 1) continue;
    assert(advice.bytes <= advice.budget && advice.mixture.bytes <= advice.budget);
    assert(advice.uniform.bytes <= advice.budget);
    assertEquals([advice.mixtures.length, advice.uniforms.length], [5, 2]);
    using again = await quantize(model, readScheme(advice.mixture.text), {
      calibration: options.calibration,
    });
    assertEquals(sizes(again).model.bytes, advice.mixture.bytes);
    const { value } = await divergence(again, model, options.proof);
    assertAlmostEquals(value, advice.proof.mixture.divergence, 1e-12);
    const { interval: [low, high], value: difference } = advice.proof.divergence;
    assert(low < difference && difference < high);
    // Between 3.5 (3 bits, and 32 for scale and zero of 64) and 4.5 there is no uniform candidate.
    assert(
      advice.better && advice.proof.mixture.divergence < advice.proof.uniform.divergence,
      advice.verdict,
    );
  }
  assertEquals(new Set(hashes).size, 1, hashes.join());
});

Deno.test("where the budget leaves nothing to choose, uniform is the advice, and the verdict says so", async () => {
  using model = await loadModel("fixture:opt");
  const options = await texts(model);
  const few = { ...options, candidates: candidates.slice(0, 2), scores: ["noise"] as const };
  using smallest = await quantize(model, { weights: candidates[0] });
  const { bytes } = sizes(smallest).model;
  const advice = await advise(model, { ...few, budget: { bytes } });
  assertEquals([advice.better, advice.text, advice.bytes], [false, "weights=rtn:2,g64", bytes]);
  assert(advice.verdict.includes("uniform scheme itself"), advice.verdict);
  const refused = advise(model, { ...few, budget: { bytes: bytes - 1 } });
  await assertRejects(() => refused, AdvisorError, `expected at least ${bytes}`);
});

Deno.test("scores: against sums written out, for a method that calibrates too", async () => {
  using model = await loadModel("fixture:llama");
  const { calibration } = await texts(model), scheme = gptq({ bits: 3, groupSize: 64 });
  const predictions = await FloatPredictions.of(model, calibration.slice(0, 1));
  using quantized = await quantize(model, { weights: scheme }, { calibration });
  const found = await sensitivities(model, quantized, scheme, {
    calibration,
    predictions,
    scores: scoreNames,
  });
  assertEquals(found.length, 28);
  const inputs: Float32Array[] = [], layer = 2, role: LinearRole = "down";
  await model.forEachLogits(calibration, () => {}, [{
    async input(x, { layer: at, site, rows, columns }) {
      if (at === layer && site === "down") inputs.push(await model.device.read(x, 0, rows * columns));
    },
  }]);
  const [rows, columns] = model.linear(layer, role).shape;
  const before = await model.linear(layer, role).values();
  const after = await quantized.linear(layer, role).values();
  // ||X D^T||^2 per token, term by term; and |X| |D|^T likewise, which bounds what rounding of X^T X, D G and the trace can do.
  let error = 0, tokens = 0, noise = 0, signal = 0, most = 0;
  for (const x of inputs) {
    for (let t = 0; t < x.length / columns; t++, tokens++) {
      for (let i = 0; i < rows; i++) {
        let sum = 0, magnitudes = 0;
        for (let j = 0; j < columns; j++) {
          const term = x[t * columns + j] * (before[i * columns + j] - after[i * columns + j]);
          sum += term;
          magnitudes += Math.abs(term);
        }
        error += sum ** 2;
        most += magnitudes ** 2;
      }
    }
  }
  for (let i = 0; i < before.length; i++) {
    noise += (before[i] - after[i]) ** 2;
    signal += before[i] ** 2;
  }
  const one = found.find((of) => of.layer === layer && of.role === role);
  // A device sums X^T X of a window of 40 rows in float32 (kernels/conformance, "gram"), all else is float64.
  const double = (tokens + columns + rows * columns) * 2 ** -52, single = 40 * 2 ** -24 / (1 - 40 * 2 ** -24);
  assertAlmostEquals(one?.scores.hessian ?? NaN, error / tokens, (double + single) * most / tokens);
  assert((double + single) * most < 0.01 * error, `the bound is ${(double + single) * most / error}`);
  const gram = new Float64Array(columns * columns),
    difference = Float64Array.from(before, (w, i) => w - after[i]);
  for (const x of inputs) {
    for (let t = 0; t < x.length; t += columns) {
      for (let i = 0; i < columns; i++) {
        for (let j = 0; j < columns; j++) gram[i * columns + j] += x[t + i] * x[t + j];
      }
    }
  }
  assertAlmostEquals(weighted(difference, gram, rows, columns), error, double * most);
  assertAlmostEquals((one?.scores.noise ?? NaN) / (noise / signal), 1, 1e-12);
  const place = { layers: [layer], linears: [role], weights: scheme };
  using alone = await quantize(model, { overrides: [place] }, { calibration });
  const expected = await divergence(alone, model, predictions.windows);
  // Alone it was calibrated on float inputs, in `quantized` on rounded ones: alike, not the same.
  const ratio = (one?.scores.divergence ?? NaN) / expected.value;
  assert(ratio > 0.5 && ratio < 2, `${ratio}`);
  const linear = sizes(quantized).linear.bytes;
  assertEquals(found.reduce((sum, { bytes }) => sum + bytes, 0), linear);
});

Deno.test("tr(D G D^T) of a small matrix by hand", () => {
  // D = [1 2], G = [[2 1] [1 3]]: 1*2*1 + 2*1*2*1 + 2*3*2 = 18.
  assertEquals(weighted(Float64Array.of(1, 2), Float64Array.of(2, 1, 1, 3), 1, 2), 18);
});

Deno.test("text of the proof that scores have seen, candidates that are none or twice: refused by name", async () => {
  using model = await loadModel("fixture:llama");
  const options = { ...await texts(model), budget: "4bpw" };
  const refused = (change: Partial<AdviseOptions>, said: string) =>
    assertRejects(() => advise(model, { ...options, ...change }), AdvisorError, said);
  // The middle of a window that was calibrated on.
  const part = options.calibration[1].slice(2, 40);
  await refused(
    { proof: [options.proof[0], part] },
    "proof[1] has tokens 0 to 31 from the text of calibration",
  );
  await refused({ proof: options.proof.slice(0, 1) }, "proof has 1 window");
  await refused({ candidates: candidates.slice(0, 1) }, "candidates has 1: expected a list of at least 2");
  await refused({ candidates: [candidates[0], candidates[0]] }, "candidates has weights=rtn:2,g64 twice");
  await refused({ budget: "900 pounds" }, 'budget is "900 pounds": expected such as 900MB');
  await refused({ budget: { bytes: NaN } }, "budget.bytes is NaN");
  await refused({ budget: "0nats" }, "budget.divergence is 0: expected a number above 0");
  const two = { bytes: 9, bitsPerWeight: 4 };
  await refused({ budget: two }, "expected one of bytes, bitsPerWeight, divergence");
  await refused({ budget: "1nats", scoring: options.calibration.slice(0, 1) }, "scoring has 1 window");
  await refused(
    { scores: [] },
    "scores is empty: expected some of noise, hessian, fisher, divergence, shapley",
  );
  await refused({ ends: [candidates[0], candidates[0]] }, "ends has weights=rtn:2,g64 twice");
});

Deno.test("a largest divergence: the smallest scheme within it, smaller than uniform, and held to it on unseen text", async () => {
  using model = await loadModel("fixture:llama-outlier");
  const options = {
    ...await texts(model),
    candidates: [2, 3, 4, 5].map((bits) => rtn({ bits, groupSize: 64 })),
  };
  const scores = ["fisher", "divergence"] as const;
  const { uniforms } = await advise(model, { ...options, budget: "8bpw", scores: ["noise"] });
  // Between what 3 and 4 bits give.
  const bound = (uniforms[1].seenLimit + uniforms[2].seenLimit) / 2;
  const advice = await advise(model, { ...options, budget: { divergence: bound }, scores });
  assertEquals([advice.uniform.text, advice.bound], [uniforms[2].text, bound]);
  assert(advice.better && advice.bytes < advice.uniform.bytes, advice.verdict);
  assert(advice.mixture.seenLimit <= bound && advice.proof.mixture.divergence <= bound, advice.verdict);
  // Nothing that the search has seen and that is within the bound is smaller.
  assertEquals(advice.mixtures.at(-1)?.bytes, Math.min(...advice.mixtures.map(({ bytes }) => bytes)));
  const less = await advise(model, {
    ...options,
    budget: { bytes: Math.floor(0.99 * advice.bytes) },
    scores,
  });
  assert(less.mixtures.every(({ seenLimit }) => seenLimit > bound), "1 % less would have done");
  // What no candidate reaches: the float model is what is left.
  const none = await advise(model, { ...options, budget: { divergence: 1e-9 }, scores: ["noise"] });
  assertEquals([none.better, none.text, none.proof.uniform.divergence], [false, "float", 0]);
  assert(none.verdict.startsWith("no mixture is smaller than float"), none.verdict);
});

Deno.test("ends and float are candidates: shared among all parts, and counted to the byte", async () => {
  using model = await loadModel("fixture:opt");
  const options = { ...await texts(model), scores: ["fisher", "divergence"] as const };
  const ends = [rtn({ bits: 4, groupSize: 64 }), rtn({ bits: 8, groupSize: 64 })];
  using uniform = await quantize(model, { weights: candidates[2] });
  const budget = { bytes: sizes(uniform).model.bytes };
  const plain = await advise(model, { ...options, budget });
  const wide = await advise(model, {
    ...options,
    candidates: [...candidates, rtn({ bits: 4, groupSize: 32 }), "float"],
    ends,
    budget,
  });
  // The embedding takes a quarter of this model: at 8 bits it pays for layers.
  assert(wide.proof.mixture.divergence < plain.proof.mixture.divergence, wide.verdict);
  assert(wide.scheme.head !== undefined && wide.scheme.embedding !== undefined, wide.text);
  using applied = await quantize(model, readScheme(wide.mixture.text));
  assertEquals(sizes(applied).model.bytes, wide.mixture.bytes);
  assert(wide.mixture.bytes <= budget.bytes);
  assertEquals(wide.uniforms.length, 5 * 3);
  const float = wide.sensitivities.filter(({ weights }) => weights === "float");
  assert(float.length === 25 && float.every(({ scores }) => Object.values(scores).every((one) => one === 0)));
  const refused = advise(model, { ...options, budget, ends: [gptq({ bits: 4 })] });
  await assertRejects(() => refused, SchemeError, "gptq needs the inputs of a linear layer");
});

Deno.test("a model whose gradients are not known has the other scores, and the advice says why", async () => {
  using model = await loadModel("fixtures/families/mixtral");
  const ids = (seed: number) =>
    Int32Array.from({ length: 16 }, (_, i) => (7 * i * i + 13 * seed * i + seed) % 60);
  const options = {
    budget: "4.5bpw",
    candidates: [2, 4, 8].map((bits) => rtn({ bits })),
    calibration: [ids(0), ids(1), ids(2), ids(3)],
    proof: [ids(4), ids(5)],
  };
  const advice = await advise(model, options);
  assert(
    advice.withoutGradients?.includes("no gradient is known of mixtures of experts"),
    `${advice.withoutGradients}`,
  );
  assertEquals(Object.keys(advice.sensitivities[0].scores), ["noise", "hessian", "divergence"]);
  assert(advice.bytes <= advice.budget);
  await assertRejects(
    () => advise(model, { ...options, scores: ["fisher"] }),
    SchemeError,
    "mixtures of experts",
  );
});
