/**
 * GPTQ against the original code: perplexities of whole models, and, where the comparison is exact, layer by layer in
 * the first decoder layer, whose inputs are the same for every configuration.
 */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
} from "@std/assert";
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import type { LinearRole } from "../../model/architecture.ts";
import { loadModel } from "../../model/load.ts";
import { compensationSteps, onHost } from "../../quant/compensation/steps.ts";
import { problemOf } from "../../quant/compensation/hessian.ts";
import { type Gptq, quantizeWithHessian } from "../../quant/methods/gptq.ts";
import { quantizeRows, rtn } from "../../quant/methods/rtn.ts";
import { decode, encode, fitRange } from "../../quant/grids/uniform.ts";
import { firstLayerProblems, type LayerProblem, outputError } from "./problems.ts";
import { gptqSchemes } from "./schemes/gptq.ts";
import { oracle, oracleResults, oracleTensors, oracleWindows } from "../oracle.ts";
import { checkAgainstOracle, isCompared } from "./check_testing.ts";

const quick: Record<string, string[]> = {
  "llama": ["june-gptq-w4-pc-act-sym"],
  "llama-outlier": ["gptq-w4-g64-act"],
  "opt": ["gptq-w2-g128"],
};

/** Configurations whose layers are compared in the quick suite: each option and each group size at least once. */
const quickLayers = [
  "gptq-w4-pc",
  "gptq-w4-pc-act-damp.1",
  "gptq-w4-g128-act",
  "gptq-w3-g64-act-static",
  "gptq-w3-g32",
  "gptq-w2-g32-act",
  "gptq-w4-pc-act-symLegacy",
  "june-gptq-w4-pc-act-sym",
];

/**
 * The original code's OPT path at HEAD drops `sym` on its way: scales of signed codes up to 7, clamped to 0 and more.
 * A test below shows that this is what its number is made of; it says nothing about GPTQ.
 */
const brokenOnOpt = "head-gptq-w4-pc-act-sym";

const calibration = await oracleWindows("calib");

for (const [model, ids] of Object.entries(quick)) {
  const schemes = gptqSchemes();
  if (model === "opt") schemes.delete(brokenOnOpt);

  Deno.test(`${model}: GPTQ gives the original code's perplexities`, { ignore: onSoftwareGpu }, async (t) => {
    // A code that falls to the other side of a rounding boundary changes the rest of its row and all later layers. At
    // 2 bits that is felt: either no code flips and perplexities agree to 1e-6 (half of the runs), or they differ by a
    // percent.
    const chaotic = [...schemes.keys()].filter((id) => id.startsWith("gptq-w2-"));
    await checkAgainstOracle(t, model, schemes, { tolerance: 5e-3, quick: ids, chaotic });
  });

  const title = `${model}: the first layer's Hessian, losses and codes are the original code's`;
  Deno.test(title, { ignore: onSoftwareGpu }, async (t) => {
    using float = await loadModel(`fixture:${model}`);
    const problems = await firstLayerProblems(float, calibration);
    await t.step("Hessian", () => checkHessian(model, problems[0]));
    const results = await oracleResults(model);
    const names: string[] = JSON.parse(
      await Deno.readTextFile(new URL(`../../fixtures/expected/${model}.json`, import.meta.url)),
    ).layerNames;
    for (const [id, scheme] of schemes) {
      const result = results.get(id);
      // Smoothing comes before the layer, and OPT's true-sequential runs are recorded as errors.
      if (result === undefined || result.error !== undefined || scheme.transforms !== undefined) continue;
      if (!isCompared(id, quickLayers)) continue;
      const order = (result.extra.layerNames ?? names) as string[];
      const losses = new Map(order.flatMap((name, i) => {
        const role = name.startsWith("0: ") ? roleOf(name) : undefined;
        return role === undefined ? [] : [[role, (result.extra.layerErrors as number[])[i]] as const];
      }));
      await t.step(id, () => checkLosses(problems, scheme.weights as Gptq, losses));
    }
    for (const [tag, id] of Object.entries(storedWeights)) {
      await t.step(
        `codes of ${tag}`,
        () => checkCodes(model, problems, tag, schemes.get(id)?.weights as Gptq),
      );
    }
  });
}

/** Module name to role: `0: self_attn.q_proj`, `0: fc1`. */
function roleOf(name: string): LinearRole | undefined {
  const roles: Record<string, LinearRole> = {
    ...{ q_proj: "q", k_proj: "k", v_proj: "v", o_proj: "o", out_proj: "o" },
    ...{ gate_proj: "gate", up_proj: "up", down_proj: "down", fc1: "up", fc2: "down" },
  };
  return roles[name.split(/[ .]/).at(-1) ?? ""];
}

const storedWeights = {
  gptq4: "gptq-w4-pc",
  gptq4act: "gptq-w4-pc-act",
  gptq3g32: "gptq-w3-g32",
  gptq3g32act: "gptq-w3-g32-act",
};

/**
 * Entry `(i, j)` sums products of norm outputs x_i x_j. In units of `sqrt(H_ii H_jj)`, which bounds `sum |x_i x_j|`,
 * and of half a float32 ulp `u`: the original sums 512 products per window in float32 and rescales and adds 32 times
 * (3 roundings each), ours sums 256 at a time; each x comes out of a norm over 256 channels, whose sum in float32,
 * root, division and product cost 256 + 4 in each of the two factors and implementations.
 */
async function checkHessian(model: string, { hessian, weight }: LayerProblem): Promise<void> {
  const expected = (await oracleTensors(model)).get("gptq.H.first");
  assert(expected?.data instanceof Float32Array);
  const n = weight.columns;
  assertEquals(expected.shape, [n, n]);
  const units = 512 + 3 * 32 + 256 + 2 * 2 * (256 + 4);
  let worst = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const size = Math.sqrt(hessian[i * n + i] * hessian[j * n + j]);
      worst = Math.max(worst, Math.abs(hessian[i * n + j] - expected.data[i * n + j]) / size);
    }
  }
  assertLessOrEqual(worst, units * 2 ** -24);
}

/** Losses beside the original's; and that compensation was worth it: less output error than round to nearest. */
function checkLosses(problems: LayerProblem[], scheme: Gptq, expected: Map<LinearRole, number>): void {
  for (const { role, weight, hessian } of problems) {
    const reference = expected.get(role);
    assert(reference !== undefined, role);
    // With true_sequential, later blocks of the layer are calibrated on quantized predecessors.
    if (scheme.trueSequential && !["q", "k", "v"].includes(role)) continue;
    const { weight: quantized, loss } = quantizeWithHessian(weight, hessian, scheme);
    // Where no code differs, losses agree to 1e-6 (float32 sums). One tie that rounding decides differently sends
    // one row another way: that changes the row's share of the loss, about 1 / rows, by less than the share itself.
    assertLessOrEqual(Math.abs(loss / reference - 1), 1 / weight.rows, `${role}: ${loss}, ${reference}`);
    const { bits, groupSize, symmetric } = scheme;
    const codes = scheme.codes === "offsetBinary" ? scheme.codes : "signed";
    const nearest = quantizeRows(weight, rtn({ bits, groupSize, symmetric, codes }));
    assertLessOrEqual(
      outputError(weight, quantized.dequantize(), hessian),
      outputError(weight, nearest.dequantize(), hessian),
      role,
    );
  }
}

/** Codes of the first 64 rows. What differs must be whole rows that took another way at a tie. */
async function checkCodes(
  model: string,
  problems: LayerProblem[],
  tag: string,
  scheme: Gptq,
): Promise<void> {
  const tensors = await oracleTensors(model);
  let compared = 0;
  for (const { role, weight, hessian } of problems) {
    const expected = tensors.get(`${tag}.layers.0.${role}_proj.weight`)?.data;
    if (!(expected instanceof Float32Array)) continue;
    compared++;
    const quantized = quantizeWithHessian(weight, hessian, scheme).weight;
    const values = quantized.dequantize();
    const groups = quantized.scales.length / weight.rows;
    let same = 0;
    for (const [i, value] of expected.entries()) {
      const row = Math.floor(i / weight.columns);
      const step = Math.min(...quantized.scales.subarray(row * groups, (row + 1) * groups));
      // Codes that differ are at least a step apart; equal codes of scales that differ in the last bits are not.
      if (Math.abs(values[i] - value) < step / 2) same++;
    }
    assertGreaterOrEqual(same / expected.length, 0.995, role);
  }
  assert(compared > 0);
}

const title = "OPT: the original code's symmetric HEAD run clamps signed codes to 0 and more";
Deno.test(title, { ignore: onSoftwareGpu }, async () => {
  using float = await loadModel("fixture:opt");
  const problems = await firstLayerProblems(float, calibration);
  const [key] = (await oracle("opt", brokenOnOpt)).extra.layerErrors as number[];
  const problem = problems.find(({ role }) => role === "k");
  assert(problem !== undefined);
  const { weight: { rows, columns, data }, hessian } = problem;
  const rule = { bits: 4, mode: "symmetric", zeroInRange: true } as const;
  const grids = Array.from({ length: rows }, (_, row) => ({
    ...fitRange(data, row * columns, columns, rule),
    lowest: 0,
  }));
  const loss = onHost(compensationSteps(problemOf(problem.weight, hessian, true, 0.01), (values) => {
    for (const [row, grid] of grids.entries()) values[row] = decode(encode(values[row], grid), grid);
  }));
  assertAlmostEquals(loss / key, 1, 1e-5);
});
