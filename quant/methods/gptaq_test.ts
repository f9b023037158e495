import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import vectors from "../../fixtures/expected/methods2/sparse-obq/gptaq.json" with { type: "json" };
import { pathOf } from "../../base/file.ts";
import { fixture } from "../../base/fixture.ts";
import { oracleWindows } from "../../eval/oracle.ts";
import { testedDevices } from "../../kernels/conformance/suite.ts";
import { referenceDevice } from "../../kernels/reference.ts";
import type { InputSite } from "../../model/architecture.ts";
import type { Intervention } from "../../model/decoder/intervention.ts";
import { loadModel } from "../../model/load.ts";
import { denseLinear } from "../../model/decoder/parameter.ts";
import { readSafetensors } from "../../model/safetensors.ts";
import { quantizeLayerwise } from "../calibration/layerwise.ts";
import { driftTerm } from "../compensation/drift.ts";
import { problemOf } from "../compensation/hessian.ts";
import { onDevice, onHost } from "../compensation/steps.ts";
import { SchemeError } from "../error.ts";
import type { InputStatistics, Matrix } from "../method.ts";
import { quantize } from "../quantize.ts";
import { stagesOf } from "../quantize/stages.ts";
import type { Scheme } from "../scheme.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { storedWeight } from "../weights/linear.ts";
import { dampingOf, gptaq, gptaqMethod, type GptaqOptions } from "./gptaq.ts";
import { gptq, gptqSteps, quantizeWithHessian } from "./gptq.ts";
import { rtn } from "./rtn.ts";

const ids = Int32Array.from({ length: 64 }, (_, i) => (i * 53 + 7) % 700), calibration = [ids];

function matrixOf(rows: number[][]): Matrix {
  return { rows: rows.length, columns: rows[0].length, data: Float32Array.from(rows.flat()) };
}

/** What the vectors' inputs say besides their matrices. */
interface Settings {
  readonly blocksize?: number;
  readonly alpha?: number;
  readonly bits?: number;
  readonly sym?: boolean;
  readonly mse?: boolean;
  readonly actorder?: boolean;
  readonly groupsize?: number;
  readonly static_groups?: boolean;
  readonly percdamp?: number;
}

function quantized(weight: Matrix, hessian: Float64Array, matrix: Float64Array, options: GptaqOptions) {
  const scheme = gptaq(options), loop = { ...scheme, codes: "signed" } as const;
  return onHost(gptqSteps(weight, hessian, loop, { matrix, alpha: scheme.alpha, block: scheme.blockSize }))
    .weight;
}

/** A vector in which the original takes another side of a tie than float64 does is marked by how far that is. */
const compared = vectors.filter(({ fn }) => fn === "gptaq" || fn === "gptq");

for (const { fn, case: name, input, output, float64MaxAbsDiff = 0 } of compared) {
  Deno.test(`the original's class: ${name}`, () => {
    const { W, H, dXXT } = input as { W: number[][]; H: number[][]; dXXT: number[][] },
      given = input as Settings;
    const options: GptaqOptions = {
      bits: given.bits ?? 3,
      symmetric: given.sym ?? false,
      search: given.mse ? "mse" : "none",
      actOrder: given.actorder ?? false,
      groupSize: given.groupsize ?? -1,
      staticGroups: given.static_groups ?? false,
      percdamp: given.percdamp ?? 0.01,
      blockSize: given.blocksize ?? 128,
      alpha: fn === "gptq" ? 0 : given.alpha ?? 0.25,
      groupStatistics: "block-start",
    };
    const drift = Float64Array.from(dXXT.flat());
    const got = quantized(matrixOf(W), Float64Array.from(H.flat()), drift, options).dequantize();
    const expected = (output as { W: number[][] }).W.flat();
    for (const [i, value] of got.entries()) {
      assertAlmostEquals(value, expected[i], 1e-6 + float64MaxAbsDiff, `${name}, ${i}`);
    }
  });
}

Deno.test("the damping of a shared Hessian adds up in the order k, v, q", () => {
  const shared = vectors.find(({ fn }) => fn === "gptaq.shared");
  assert(shared !== undefined);
  const { W, H, dXXT } = shared.input as { W: number[][][]; H: number[][]; dXXT: number[][] };
  const { W: expected, meanDiagBefore } = shared.output as { W: number[][][]; meanDiagBefore: number[] };
  const scheme = gptaq({ bits: 3, damping: "accumulated" }), hessian = Float64Array.from(H.flat());
  for (const [turn, role] of (["k", "v", "q"] as const).entries()) {
    const percdamp = dampingOf(scheme, role);
    // What the next one finds on the diagonal.
    if (turn < 2) assertAlmostEquals(meanDiagBefore[turn + 1] / meanDiagBefore[0], 1 + percdamp, 1e-6);
    const got = quantized(matrixOf(W[turn]), hessian, Float64Array.from(dXXT.flat()), { bits: 3, percdamp });
    for (const [i, value] of got.dequantize().entries()) {
      assertAlmostEquals(value, expected[turn].flat()[i], 1e-6, role);
    }
  }
  assertEquals(dampingOf(gptaq({ bits: 3 }), "q"), 0.01 + 1 - 1);
});

/** A repeatable sequence of numbers in [-1, 1). */
function noise(count: number, seed: number): Float64Array {
  let state = seed;
  return Float64Array.from(
    { length: count },
    () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1,
  );
}

/** `H` and `D` of random inputs and inputs beside them. */
function statisticsOf(columns: number, tokens: number, seed: number) {
  const x = noise(tokens * columns, seed), dx = noise(tokens * columns, seed + 1);
  const hessian = new Float64Array(columns * columns), drift = hessian.slice();
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < columns; j++) {
      for (let k = 0; k < columns; k++) {
        hessian[j * columns + k] += x[t * columns + j] * x[t * columns + k];
        drift[j * columns + k] += 0.3 * dx[t * columns + j] * x[t * columns + k];
      }
    }
  }
  return { hessian, drift };
}

Deno.test("P is alpha triu(D U^T) U, with U from plain elimination, across blocks and orders of columns", () => {
  const n = 150, { hessian, drift } = statisticsOf(n, 400, 5);
  const weight = { rows: 1, columns: n, data: new Float32Array(n) };
  using problem = problemOf(weight, hessian, true, 0.01);
  using term = driftTerm(problem, hessian, { matrix: drift, alpha: 0.5 });
  // U by back substitution from R: U R = 1.
  const { factor: r, permutation } = problem, u = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    u[i * n + i] = 1 / r[i * n + i];
    for (let j = i + 1; j < n; j++) {
      let sum = 0;
      for (let k = i; k < j; k++) sum += u[i * n + k] * r[k * n + j];
      u[i * n + j] = -sum / r[j * n + j];
    }
  }
  for (let i = 0; i < n; i += 7) {
    const inner = Float64Array.from({ length: n }, (_, j) => {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += drift[permutation[i] * n + permutation[k]] * u[j * n + k];
      return j > i ? 0.5 * sum : 0;
    });
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += inner[k] * u[k * n + j];
      assertAlmostEquals(-term.data[i * n + j], sum, 1e-12, `${i}, ${j}`);
    }
  }
});

for (
  const { name, family, open } of [...testedDevices, {
    name: "reference",
    family: "reference",
    open: () => Promise.resolve(referenceDevice()),
  }]
) {
  Deno.test(`blocks drift on a device as on the host (${name})`, async () => {
    const columns = 300, rows = 9, { hessian, drift } = statisticsOf(columns, 700, 9);
    const weight = { rows, columns, data: Float32Array.from(noise(rows * columns, 3)) };
    const scheme = { ...gptaq({ bits: 4 }), codes: "signed" } as const,
      target = { matrix: drift, alpha: 0.25, block: 128 };
    const device = await open(),
      host = onHost(gptqSteps(weight, hessian, scheme, target)).weight.dequantize();
    const own = (await onDevice(device, gptqSteps(weight, hessian, scheme, target))).weight.dequantize();
    const differing = own.filter((value, i) => value !== host[i]).length;
    // A GPU sums in slices of float32: a near tie may fall the other way, and its row with it.
    assert(family === "gpu" ? differing <= columns : differing === 0, `${differing} differ`);
    // Slow and plain: every column beyond a block sees rounded columns, inside it unrounded ones.
    const plain = quantized(weight, hessian, drift, { bits: 4, blockSize: columns });
    assertNotEquals(plain.dequantize(), host);
  });
}

Deno.test("no drift, or none of it, is GPTQ", async () => {
  const columns = 200, rows = 5, { hessian, drift } = statisticsOf(columns, 500, 21);
  const weight = { rows, columns, data: Float32Array.from(noise(rows * columns, 8)) };
  for (
    const options of [{ bits: 3 }, { bits: 4, groupSize: 20, actOrder: true }, { bits: 2, symmetric: true }]
  ) {
    const expected = quantizeWithHessian(weight, hessian, gptq(options)).weight;
    for (
      const other of [
        quantized(weight, hessian, drift, { ...options, alpha: 0 }),
        quantized(weight, hessian, drift.map(() => 0), options),
      ]
    ) {
      assertEquals(other.dequantize(), expected.dequantize());
    }
    assertNotEquals(quantized(weight, hessian, drift, options).dequantize(), expected.dequantize());
  }
  using model = await loadModel("fixture:llama");
  using a = await quantize(model, { weights: gptaq({ bits: 3, alpha: 0 }) }, { calibration });
  using b = await quantize(model, { weights: gptq({ bits: 3, trueSequential: true }) }, { calibration });
  assertEquals(await a.logits(ids), await b.logits(ids));
});

Deno.test("the first linear layers read what the float model does, and are GPTQ's", async () => {
  using model = await loadModel("fixture:llama");
  using a = await quantize(model, { weights: gptaq({ bits: 3 }) }, { calibration });
  using b = await quantize(model, { weights: gptq({ bits: 3, trueSequential: true }) }, { calibration });
  const codes = (of: typeof a, role: "q" | "o") => {
    const stored = storedWeight(of, 0, role);
    assert(stored instanceof UniformWeight);
    return stored.codes();
  };
  assertEquals(codes(a, "q"), codes(b, "q"));
  assertNotEquals(codes(a, "o"), codes(b, "o"));
});

Deno.test("statistics of the first linear layer that drifts are those of the original's run", async () => {
  const tensors = await readSafetensors(await fixture("expected/methods2/sparse-obq/gptaq.safetensors"));
  const calib = await oracleWindows("calib");
  using model = await loadModel("fixture:llama");
  class Found extends Error {}
  let found: InputStatistics | null = null;
  const scheme = gptaq({ bits: 3, damping: "accumulated" });
  const run = quantizeLayerwise(model, calib, {
    needed: () => true,
    sequential: () => true,
    drift: () => true,
    async quantize(layer, { role }, input) {
      const parameter = model.linear(layer, role), { name, shape: [rows, columns] } = parameter;
      if (role === "o") {
        found = input;
        throw new Found();
      }
      const weight = { rows, columns, data: await parameter.values() };
      const stored = await gptaqMethod.weights.quantize(
        weight,
        scheme,
        { layer, role, name },
        input,
        model.device,
      );
      return denseLinear(
        model.device,
        name,
        [rows, columns],
        () => Promise.resolve(stored.dequantize()),
        null,
      );
    },
  });
  await run.catch((error) => assert(error instanceof Found, String(error)));
  const { gram, drift, windows } = found ?? { gram: [], drift: undefined, windows: 1 };
  assert(drift !== undefined);
  const n = 256, at = (part: string) => tensors.get(`gptaq-w3.layers.0.self_attn.o_proj.${part}`)?.data ?? [];
  const size = (j: number) => Math.sqrt(2 * Number(gram[j * n + j]) / windows);
  // Where no code of q, k, v differs, only sums in float32 do; a code at a tie moves the drift by a share of itself.
  let worstH = 0, square = 0, all = 0;
  for (let i = 0; i < 32; i++) {
    for (let j = 0; j < n; j++) {
      const h = Number(at("H")[i * n + j]), d = Number(at("dXXT")[i * n + j]);
      worstH = Math.max(worstH, Math.abs(2 * Number(gram[i * n + j]) / windows - h) / size(i) / size(j));
      square += (2 * drift[i * n + j] / windows - d) ** 2;
      all += d * d;
    }
  }
  assertLess(worstH, 5e-3);
  assertLess(Math.sqrt(square / all), 2e-2);
});

Deno.test("statistics are of rounded inputs where that is asked for, and of the float model's as they are", async () => {
  using model = await loadModel("fixture:llama");
  const windows = [ids.slice(0, 16)];
  const activations = rtn({ bits: 3, granularity: "token" });
  const of = async (rounding: Intervention | null) => {
    const found = new Map<InputSite, InputStatistics>();
    const parameters = await quantizeLayerwise(model, windows, {
      needed: (_, { role }) => role === "q",
      sequential: () => true,
      drift: (_, { role }) => role === "q",
      rounding,
      quantize(layer, { role }, input) {
        if (layer === 1 && input !== null) found.set("attention", input);
        return Promise.resolve(model.linear(layer, role).retain());
      },
    });
    for (const one of parameters.values()) one.release();
    const one = found.get("attention");
    assert(one?.drift !== undefined);
    return one;
  };
  const plain = await of(null);
  assertEquals(plain.drift?.every((value) => value === 0), true);
  using rounded = await quantize(model, { activations });
  // By hand: inputs of the second layer's attention, in the float model and in the rounded one.
  const inputs = async (before: readonly Intervention[]) => {
    const seen: Float32Array[] = [];
    const observer: Intervention = {
      async input(x, { layer, site, rows, columns }) {
        if (layer === 1 && site === "attention") seen.push(await model.device.read(x, 0, rows * columns));
      },
    };
    for (const states of await model.hiddenStates(windows, [...before, observer])) states[Symbol.dispose]();
    return seen[0];
  };
  const float = await inputs([]), own = await inputs(rounded.interventions), n = 256, tokens = own.length / n;
  const { gram, drift } = await of(rounded.interventions[0]);
  let most = 0;
  for (let i = 0; i < n; i += 5) {
    for (let j = 0; j < n; j += 3) {
      let h = 0, d = 0, size = 0;
      for (let t = 0; t < tokens; t++) {
        const x = own[t * n + j], difference = float[t * n + i] - own[t * n + i];
        h += own[t * n + i] * x;
        d += difference * x;
        size += Math.abs(difference * x);
      }
      assertAlmostEquals(gram[i * n + j], h, 1e-4 * (1 + Math.abs(h)));
      // Differences and products of 16 tokens in float32.
      assertAlmostEquals(drift?.[i * n + j] ?? NaN, d, 32 * 2 ** -24 * size + 1e-6);
      most = Math.max(most, Math.abs(d));
    }
  }
  assert(most > 1, "rounded inputs drift");
});

Deno.test("behind layers of 2 bits, less drifts from the float model's logits than with GPTQ", async () => {
  using model = await loadModel("fixture:llama");
  const windows = (await oracleWindows("calib")).slice(0, 4),
    [text] = await oracleWindows("test"),
    float = await model.logits(text);
  const error = async (weights: Scheme["weights"]) => {
    using own = await quantize(model, { weights }, { calibration: windows });
    const logits = await own.logits(text);
    return logits.reduce((sum, value, i) => sum + (value - float[i]) ** 2, 0);
  };
  assertLess(await error(gptaq({ bits: 2 })), await error(gptq({ bits: 2, trueSequential: true })));
});

Deno.test("what does not fit is refused by name", async () => {
  using model = await loadModel("fixture:llama");
  const refused = (scheme: Scheme, message: string) =>
    assertRejects(() => quantize(model, scheme, { calibration }), SchemeError, message);
  assertThrows(() => gptaq({ bits: 9 }), SchemeError, "bits is 9: expected an integer from 2 to 8");
  assertThrows(() => gptaq({ bits: 4, alpha: 2 }), SchemeError, "alpha is 2: expected a number from 0 to 1");
  await refused({ head: gptaq({ bits: 4 }) }, "gptaq: no statistics of the float model's inputs for");
  await refused({ weights: gptaq({ bits: 4, groupSize: 100 }) }, "groupSize 100 does not divide");
  const activations = rtn({ bits: 8, granularity: "token" });
  await refused({
    weights: gptaq({ bits: 4 }),
    activations,
    overrides: [{ linears: ["down"], weights: gptq({ bits: 4 }) }],
  }, "some weights are compensated on rounded inputs, others on inputs as they are");
  assertEquals(stagesOf({ weights: gptaq({ bits: 4 }), activations }), null);
  assert(stagesOf({ weights: gptaq({ bits: 4, roundedInputs: false }), activations }) !== null);
  using moe = await loadModel(pathOf(new URL("../../fixtures/families/mixtral/", import.meta.url)));
  await assertRejects(
    () => quantize(moe, { weights: gptaq({ bits: 4 }) }, { calibration }),
    SchemeError,
    "gptaq cannot be applied to a mixture of experts",
  );
});
