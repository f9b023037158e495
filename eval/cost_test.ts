/** The cost model against actual runs: those of `bench/cost.ts`, as recorded, and bytes measured here. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { pathOf } from "../base/file.ts";
import { cpuDevice } from "../kernels/cpu/device.ts";
import type { Architecture } from "../model/architecture.ts";
import { loadModel } from "../model/load.ts";
import { gptq } from "../quant/methods/gptq.ts";
import { kivi } from "../quant/methods/kivi.ts";
import { rtn } from "../quant/methods/rtn.ts";
import type { Scheme } from "../quant/scheme.ts";
import { loadClaims } from "./claims.ts";
import { corpus } from "./corpus.ts";
import { sweep } from "./sweep.ts";
import { claimCells, claimPlans } from "./claims/grid.ts";
import { CostError, loadProfile, predictCost, predictSeconds } from "./cost.ts";
import { fitRates } from "./cost/fit.ts";
import { publishedArchitecture } from "./claims/models.ts";
import { linearWeights, type WindowLengths } from "./cost/work.ts";

interface Measured {
  readonly model: string;
  readonly label: string;
  readonly scheme: Scheme;
  readonly texts: WindowLengths;
  readonly seconds: { readonly quantize: number; readonly evaluate: number };
  readonly peakBytes: number;
}

Deno.test("predictions of the fixture grid are within 30% of recorded time and 20% of memory", async () => {
  const url = new URL("../fixtures/devices/cpu.measured.json", import.meta.url);
  const measured: Measured[] = JSON.parse(await Deno.readTextFile(url));
  assertEquals(measured.length, 84);
  const profile = await loadProfile("cpu");
  const architectures = new Map<string, Architecture>();
  for (const { model: name, label, scheme, texts, seconds, peakBytes } of measured) {
    if (!architectures.has(name)) {
      using model = await loadModel(name);
      architectures.set(name, model.architecture);
    }
    const architecture = architectures.get(name);
    assert(architecture);
    const cost = predictCost(architecture, scheme, { ...texts, execution: "simulated" }, profile);
    const time = cost.seconds / (seconds.quantize + seconds.evaluate), memory = cost.bytes / peakBytes;
    assert(Math.abs(time - 1) <= 0.3, `${name} ${label}: ${time} of the time`);
    assert(Math.abs(memory - 1) <= 0.2, `${name} ${label}: ${memory} of the memory`);
  }
});

Deno.test("predicted bytes are within 20% of what the device holds, also of packed weights", async () => {
  const windows = await corpus("sotu", { windows: 2, length: 48 });
  const calibration = await corpus("sotu", { windows: 2, length: 32 });
  const schemes: Scheme[] = [{}, { weights: rtn({ bits: 4 }) }, { weights: gptq({ bits: 4 }) }, {
    kv: kivi({ bits: 2 }),
  }];
  const texts = { windows: [48, 48], calibration: [32, 32] };
  for (const execution of ["simulated", "packed"] as const) {
    for (const scheme of schemes) {
      using device = await cpuDevice({ threads: 1 });
      const cell = { model: "fixture:opt", label: "", scheme };
      const [row] = await sweep([cell], { windows, calibration, execution, device, results: null });
      using model = await loadModel("fixture:opt", { device });
      const { bytes } = predictCost(
        model.architecture,
        scheme,
        { ...texts, execution },
        await loadProfile("cpu"),
      );
      const ratio = bytes / row.peakBytes;
      assert(Math.abs(ratio - 1) <= 0.2, `${execution} ${JSON.stringify(scheme)}: ${ratio}`);
    }
  }
});

Deno.test("rates are found again from times that they made, and none is negative", () => {
  const rates = { a: 2e-9, b: 0, c: 3e-4 };
  const samples = Array.from({ length: 12 }, (_, i) => {
    const work = { a: 1e9 * (1 + i % 5), b: 1e6 * (1 + i % 3), c: 1e3 * (1 + i % 4) };
    return { work, seconds: predictSeconds(work, { description: "", seconds: rates }) };
  });
  const found = fitRates(samples);
  for (const [kind, rate] of Object.entries(rates)) {
    assertAlmostEquals(found[kind], rate, 1e-6 * (rate || 1e-4));
  }
  assert(
    Object.values(fitRates([{ work: { a: 1, b: 2 }, seconds: 1 }, { work: { a: 1 }, seconds: 2 }])).every((
      r,
    ) => r >= 0),
  );
});

Deno.test("a method that no profile knows counts as the slowest", () => {
  const profile = { description: "", seconds: { "weights.rtn": 1, "weights.gptq": 5, "columns.gptq": 100 } };
  assertEquals(predictSeconds({ "weights.mine": 2 }, profile), 10);
});

Deno.test("a sort of work that no profile knows, and profiles that are none, are refused", async () => {
  const profile = { description: "", seconds: { "weights.rtn": 1 } };
  assertEquals(assertThrows(() => predictSeconds({ products: 2 }, profile), CostError).code, "profile");
  const path = await Deno.makeTempFile({ suffix: ".json" });
  try {
    for (
      const text of [
        "[]",
        '{"description":"x"}',
        '{"description":"x","seconds":{"products":-1}}',
        '{"description":"x","seconds":{"products":1e999}}',
        "{",
      ]
    ) {
      await Deno.writeTextFile(path, text);
      assertEquals((await assertRejects(() => loadProfile(path), CostError)).code, "profile", text);
    }
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a device without a profile is refused", async () => {
  const error = await assertRejects(
    () => loadProfile("abacus"),
    CostError,
    "no profile of the device abacus",
  );
  assertEquals(error.code, "profile");
});

Deno.test("published models have about as many weights as their names say", () => {
  for (
    const [name, billions] of [
      ["OPT-6.7B", 6.7],
      ["OPT-175B", 175],
      ["BLOOM-176B", 176],
      ["LLaMA-2-13B", 13],
      ["LLaMA-3-8B", 8],
    ] as const
  ) {
    const architecture = publishedArchitecture(name);
    assert(architecture);
    // Llama 3 has two tables of 128,256 tokens, Bloom one of 250,880; the rest are linear layers.
    const tables = (name === "LLaMA-3-8B" ? 2 : 1) * architecture.vocabularySize * architecture.hiddenSize;
    assertAlmostEquals((linearWeights(architecture) + tables) / 1e9 / billions, 1, 0.03, name);
  }
});

Deno.test("claims become cells once each, and plans for the models and texts that are there", async () => {
  const claims = await loadClaims();
  const cells = claimCells(claims);
  const served = cells.reduce((sum, one) => sum + one.claims, 0);
  assert(served > cells.length && cells.length > 150, `${cells.length} cells serve ${served} claims`);
  const directory = await Deno.makeTempDir();
  try {
    const fixtures = pathOf(new URL("../fixtures/", import.meta.url));
    await Deno.mkdir(`${directory}/models`);
    await Deno.symlink(`${fixtures}models/opt`, `${directory}/models/OPT-125M`);
    await Deno.copyFile(`${fixtures}corpora/sotu.test.txt`, `${directory}/wikitext2.txt`);
    const plans = await claimPlans(await loadClaims(), `${directory}/models`, directory);
    const expected = cells.filter(({ model, dataset }) => model === "OPT-125M" && dataset === "wikitext2");
    assertEquals(plans.map((plan) => plan.cells.length), [expected.length]);
    assertEquals(plans[0].windows[0].length, 2048);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
