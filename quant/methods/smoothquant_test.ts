import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import vectors from "../../fixtures/vectors.json" with { type: "json" };
import { oracleTensors, oracleWindows } from "../../eval/oracle.ts";
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { type InputSite, tensorName } from "../../model/architecture.ts";
import { loadModel } from "../../model/load.ts";
import { quantize } from "../quantize.ts";
import { SchemeError } from "../error.ts";
import { columnMaxima, smoothingScales, smoothQuant } from "./smoothquant.ts";
import { activationMaxima } from "../calibration/activation_maxima.ts";

const calibration = await oracleWindows("calib");

Deno.test("golden vectors of the smoothing scales", () => {
  const { act_max, W, weight_max, scales } = vectors.smoothquant;
  const maxima = columnMaxima([Float32Array.from(W.flat())], W[0].length);
  for (const [j, value] of maxima.entries()) assertAlmostEquals(Math.max(value, 1e-5), weight_max[j], 1e-7);
  for (const [alpha, expected] of Object.entries(scales)) {
    const ours = smoothingScales(Float32Array.from(act_max), maxima, Number(alpha));
    for (const [j, value] of ours.entries()) assertAlmostEquals(value, expected[j], 1e-5 * expected[j]);
  }
});

Deno.test(
  "activation maxima and scales are the original code's within 1e-5",
  { ignore: onSoftwareGpu },
  async () => {
    const modules: Record<string, Partial<Record<InputSite, string>>> = {
      "llama-outlier": {
        attention: "model.layers.{layer}.self_attn.q_proj",
        mlp: "model.layers.{layer}.mlp.up_proj",
        output: "model.layers.{layer}.self_attn.o_proj",
        down: "model.layers.{layer}.mlp.down_proj",
      },
      "opt": {
        attention: "model.decoder.layers.{layer}.self_attn.k_proj",
        mlp: "model.decoder.layers.{layer}.fc1",
      },
    };
    for (const [name, sites] of Object.entries(modules)) {
      using model = await loadModel(`fixture:${name}`);
      const tensors = await oracleTensors(name);
      const maxima = await activationMaxima(model, calibration, ["attention", "output", "mlp", "down"]);
      for (let layer = 0; layer < model.architecture.layers; layer++) {
        for (const [site, template] of Object.entries(sites)) {
          const expected = tensors.get(`actScales.${tensorName(template, layer)}`)?.data as Float32Array;
          const ours = maxima.get(`${layer}.${site}`) ?? [];
          for (const [j, value] of expected.entries()) {
            assertAlmostEquals(ours[j], value, 1e-5 * value + 1e-6, `${name} ${layer} ${site} ${j}`);
          }
        }
      }
      using smoothed = await quantize(model, { transforms: [smoothQuant({ alpha: 0.5 })] }, { calibration });
      for (const norm of [model.architecture.attentionNorm, model.architecture.mlpNorm]) {
        for (let layer = 0; layer < model.architecture.layers; layer++) {
          const weight = tensorName(norm.weight, layer);
          const expected = tensors.get(`sq.a0.5.s.${weight}`)?.data as Float32Array;
          const before = await model.vector(weight).values(), after = await smoothed.vector(weight).values();
          for (const [j, scale] of expected.entries()) {
            assertAlmostEquals(before[j] / after[j], scale, 1e-5 * scale, weight);
          }
        }
      }
    }
  },
);

Deno.test("smoothing alone leaves the function as it was", async () => {
  for (const name of ["llama-outlier", "opt-outlier"]) {
    using model = await loadModel(`fixture:${name}`);
    const ids = calibration[0].slice(0, 64);
    const before = await model.logits(ids);
    for (const alpha of [0, 0.5, 1]) {
      using smoothed = await quantize(model, { transforms: [smoothQuant({ alpha })] }, {
        calibration: calibration.slice(0, 2),
      });
      const after = await smoothed.logits(ids);
      let largest = 0;
      for (let i = 0; i < before.length; i++) largest = Math.max(largest, Math.abs(after[i] - before[i]));
      // Rounding of rescaled weights and sums, relative 2^-24 each, over 4 layers of sums of at most 768 terms:
      // sqrt(768) * 2^-24 * 8 sums, times logits of size 20.
      assertLess(largest, 20 * 8 * Math.sqrt(768) * 2 ** -24 * 10, `${name} alpha ${alpha}`);
    }
  }
});

Deno.test("smoothing flattens outliers", async () => {
  using model = await loadModel("fixture:llama-outlier");
  const part = calibration.slice(0, 2);
  using smoothed = await quantize(model, { transforms: [smoothQuant({ alpha: 0.5 })] }, {
    calibration: part,
  });
  const spread = (values: Float32Array) => Math.max(...values) / values.toSorted()[values.length >> 1];
  const before = (await activationMaxima(model, part, ["attention"])).get("2.attention");
  const after = (await activationMaxima(smoothed, part, ["attention"])).get("2.attention");
  assert(before !== undefined && after !== undefined);
  assertLess(spread(after), spread(before) / 3);
});

Deno.test("bad options and missing calibration are refused", async () => {
  assertThrows(() => smoothQuant({ alpha: 1.2 }), SchemeError, "alpha is 1.2: expected a number from 0 to 1");
  assertThrows(() => smoothQuant({ alpha: NaN }), SchemeError, "alpha is NaN");
  assertThrows(() => smoothQuant({ strength: 1 } as { alpha?: number }), SchemeError, 'no option "strength"');
  using model = await loadModel("fixture:llama");
  const error = await assertRejects(
    () => quantize(model, { transforms: [smoothQuant()] }),
    SchemeError,
    "calibration",
  );
  assertEquals(error.code, "calibration");
});
