/** QuaRot: the function stays, the rotated weights are the original code's, and what cannot be rotated is refused. */
import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { goldenTensors, oracleWindows } from "../../eval/oracle.ts";
import { perplexity } from "../../eval/metrics/perplexity.ts";
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { referenceDevice } from "../../kernels/reference.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { walkSites } from "../calibration/sites.ts";
import { SchemeError } from "../error.ts";
import { quantize } from "../quantize.ts";
import { parseScheme, type Scheme } from "../scheme.ts";
import { gptq } from "./gptq.ts";
import { kivi } from "./kivi.ts";
import { kvquant } from "./kvquant.ts";
import { quarot } from "./quarot.ts";
import { layoutOf, quantizeRows, rtn, ruleOf } from "./rtn.ts";
import vectors from "../../fixtures/expected/methods2/rotation-w4a8/vectors.json" with { type: "json" };

const folder = pathOf(new URL("../../fixtures/families/", import.meta.url));
const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 37 + 5) % 160);
const nothing = { hidden: "none", values: false, down: false, keys: false } as const;

/** Largest difference, as a share of the largest value. */
function difference(found: Float32Array, expected: Float32Array): number {
  let most = 0, size = 0;
  for (const [i, value] of expected.entries()) {
    most = Math.max(most, Math.abs(found[i] - value));
    size = Math.max(size, Math.abs(value));
  }
  return most / size;
}

Deno.test("a rotation alone changes no family's function, and what would is refused by name", async () => {
  const entries: { dir: string; family: string }[] = JSON.parse(
    await Deno.readTextFile(`${folder}index.json`),
  );
  const refused: Record<string, string> = {
    bloom: "its embedding has a norm of its own",
    gemma2: "a norm acts on what its blocks add",
    gemma3_text: "a norm acts on what its blocks add",
    olmo: "its values are clamped",
    olmo2: "a norm acts on what its blocks add",
    opt_350m_like: "a norm acts on what its blocks add",
    stablelm_12b_like: "its queries and keys have a norm that removes their mean",
    mamba: "state-space model",
    mixtral: "mixture of experts",
    qwen3_moe: "mixture of experts",
  };
  const dirs = entries.filter(({ dir, family }, i) =>
    entries.findIndex((other) => other.family === family) === i || dir.endsWith("_like") ||
    dir.includes("tied")
  ).map(({ dir }) => dir);
  for (const dir of [...dirs.map((one) => folder + one), "fixture:llama", "fixture:opt"]) {
    using model = await loadModel(dir);
    const reason = refused[dir.slice(folder.length)], scheme = { transforms: [quarot()] };
    if (reason !== undefined) {
      await assertRejects(() => quantize(model, scheme), SchemeError, reason);
      continue;
    }
    using rotated = await quantize(model, scheme);
    assertLess(difference(await rotated.logits(ids), await model.logits(ids)), 1e-5, dir);
  }
});

Deno.test("every part alone, and the other matrix, keep the function", async () => {
  using model = await loadModel(`${folder}qwen2`);
  const expected = await model.logits(ids);
  for (
    const part of [{ hidden: "hadamard" }, { hidden: "orthogonal" }, { values: true }, { down: true }, {
      keys: true,
    }] as const
  ) {
    using rotated = await quantize(model, { transforms: [quarot({ ...nothing, ...part })] });
    const logits = await rotated.logits(ids);
    assertLess(difference(logits, expected), 1e-5, JSON.stringify(part));
    assert(difference(logits, expected) > 0, `${JSON.stringify(part)} did nothing`);
  }
  // No part at all: the same bits, and weights that are shared.
  using same = await quantize(model, { transforms: [quarot(nothing)] });
  assertEquals(await same.logits(ids), expected);
  assert(same.linear(0, "q") === model.linear(0, "q"));
});

Deno.test("rotated weights are those of the original code", async () => {
  for (const name of ["llama", "llama-outlier"]) {
    using model = await loadModel(`fixture:${name}`);
    using rotated = await quantize(model, { transforms: [quarot()] });
    const tensors = await goldenTensors("rotation-w4a8", name);
    const found = {
      "embed.rows0_8": await rotated.embedding.values(),
      "lm_head.rows0_8": await rotated.head.values(),
      "layers.0.q_proj.weight": await rotated.linear(0, "q").values(),
      "layers.0.v_proj.rows0_8": await rotated.linear(0, "v").values(),
      "layers.0.o_proj.rows0_8": await rotated.linear(0, "o").values(),
      "layers.0.down_proj.rows0_8": await rotated.linear(0, "down").values(),
    };
    for (const [part, values] of Object.entries(found)) {
      const expected = tensors.get(`quarot.rotated.${part}`)?.data as Float32Array;
      assertLess(difference(values.subarray(0, expected.length), expected), 1e-6, `${name} ${part}`);
    }
    // Codes of the original: a weight within 1e-6 of a rounding boundary may fall to the other side.
    const id = "quarot-w4a4kv4-rtn", scheme = rtn({ bits: 4, symmetric: true, search: "mse" });
    for (const [role, label] of [["q", "q_proj"], ["down", "down_proj"]] as const) {
      const { shape: [rows, columns], values } = rotated.linear(0, role);
      const weight = quantizeRows({ rows, columns, data: await values() }, scheme);
      const expected = tensors.get(`${id}.layers.0.${label}.codes`)?.data as Int8Array;
      const scales = tensors.get(`${id}.layers.0.${label}.scale`)?.data as Float32Array;
      assertLess(difference(weight.scales, scales), 1e-6);
      const codes = weight.codes(), other = expected.filter((code, i) => code !== codes[i] - 8).length;
      assertLess(other / expected.length, 1e-3, `${name} ${label}: ${other} codes differ`);
    }
  }
});

Deno.test("activations and caches are rounded as the original code rounds them", async () => {
  const { x, cases } = vectors.quarot.activationQuantizer;
  const device = referenceDevice(), columns = x[0].length;
  for (const { bits, symmetric, clip, group, y } of cases) {
    const granularity = group === -1 ? { granularity: "token" as const } : { groupSize: group };
    const scheme = rtn({ bits, symmetric, clip, zeroInRange: group === -1, ...granularity });
    using values = device.upload(Float32Array.from(x.flat()));
    device.fakeQuantize(
      values,
      values,
      ruleOf(scheme),
      layoutOf({ rows: x.length, columns, heads: 1 }, scheme),
    );
    const found = await device.read(values);
    for (const [i, value] of y.flat().entries()) {
      // Groups of one value but 0 have no scale in the original, whose result is NaN; here they keep it.
      if (value === "NaN") assertLess(Math.abs(found[i] / x.flat()[i] / clip - 1), 1e-6);
      else assertEquals(found[i] + 0, Number(value) + 0, JSON.stringify({ bits, symmetric, clip, group, i }));
    }
  }
});

Deno.test("weights are rounded as the original code rounds them", () => {
  const { W, cases } = vectors.quarot.weightQuantizer;
  for (const { bits, symmetric, mse, y } of cases) {
    const scheme = rtn({ bits, symmetric, search: mse ? "mse" : "none" });
    const weight = quantizeRows(
      { rows: W.length, columns: W[0].length, data: Float32Array.from(W.flat()) },
      scheme,
    );
    const found = weight.dequantize();
    for (const [i, value] of y.flat().entries()) {
      // Its ranges are at least 1e-5 wide: rows of values this small are not rounded alike.
      if (Math.max(...W[Math.floor(i / W[0].length)].map(Math.abs)) < 1e-5) continue;
      assertEquals(found[i] + 0, value + 0, JSON.stringify({ bits, symmetric, mse, i }));
    }
  }
});

Deno.test("norms with a mean are fused as in the original code", () => {
  const { W, b, gamma, beta, Wout, bout } = vectors.quarot.fuseNorm;
  assertEquals(W.map((row) => row.map((w, j) => w * gamma[j])), Wout);
  for (const [i, row] of W.entries()) {
    assertLess(Math.abs(b[i] + row.reduce((sum, w, j) => sum + w * beta[j], 0) - bout[i]), 1e-6);
  }
});

Deno.test("numbers of heads that the original code rotates wrongly or not at all keep the function", async () => {
  const { cases } = vectors.quarot.onlineHeads;
  const device = referenceDevice();
  for (const { heads, headDim } of cases) {
    const n = heads * headDim;
    const values = Float32Array.from({ length: n }, (_, i) => Math.sin(i * i));
    using x = device.upload(values);
    device.hadamard(x, { rows: heads, size: headDim });
    device.hadamard(x, { rows: 1, size: heads, stride: headDim });
    device.hadamard(x, { rows: 1, size: heads, stride: headDim, transposed: true });
    device.hadamard(x, { rows: heads, size: headDim, transposed: true });
    assertLess(difference(await device.read(x), values), 1e-6, `${heads} heads of ${headDim}`);
  }
});

Deno.test("a rotation takes the outliers that smoothing would have to carry into the weights", async () => {
  using model = await loadModel("fixture:llama-outlier");
  using rotated = await quantize(model, { transforms: [quarot()] });
  const windows = (await oracleWindows("test")).slice(0, 2);
  const spread = async (one: Model) => {
    const ratios: number[] = [];
    const observer = {
      async input(
        x: Parameters<Model["device"]["read"]>[0],
        { columns, site }: { columns: number; site: string },
      ) {
        if (site !== "attention") return;
        const values = await one.device.read(x);
        for (let row = 0; row < values.length; row += columns) {
          let most = 0, sum = 0;
          for (const value of values.subarray(row, row + columns)) {
            most = Math.max(most, Math.abs(value));
            sum += value * value;
          }
          ratios.push(most / Math.sqrt(sum / columns));
        }
      },
    };
    for (const hidden of await one.hiddenStates(windows, [observer])) hidden[Symbol.dispose]();
    return ratios.reduce((a, b) => a + b) / ratios.length;
  };
  const before = await spread(model), after = await spread(rotated);
  // The largest of 256 normal numbers lies near sqrt(2 ln 256) = 3.3 standard deviations.
  assert(before > 8 && after < 4.5, `${before} before, ${after} after`);
});

Deno.test("GPTQ sees rotated inputs", { ignore: onSoftwareGpu }, async () => {
  using model = await loadModel("fixture:llama-outlier");
  const short = async (name: "test" | "calib") =>
    (await oracleWindows(name)).slice(0, 2).map((one) => one.slice(0, 256));
  const windows = await short("test"), calibration = await short("calib");
  const weights = gptq({ bits: 4, symmetric: true, trueSequential: true });
  const activations = rtn({ bits: 4, granularity: "token", symmetric: true, clip: 0.9 });
  const measure = async (transforms: Scheme["transforms"]) => {
    using one = await quantize(model, { transforms, weights, activations }, { calibration });
    return (await perplexity(one, windows)).value;
  };
  const { value: float } = await perplexity(model, windows);
  const plain = await measure([]), rotated = await measure([quarot()]);
  assert(plain > 1.5 * float && rotated < 1.25 * float, `float ${float}, W4A4 ${plain}, rotated ${rotated}`);
});

Deno.test("caches hold rotated keys, and queries meet them so", async () => {
  using model = await loadModel(`${folder}qwen2`);
  const expected = await model.logits(ids);
  const caches: Scheme["kv"][] = [kivi({ bits: 8, groupSize: 8, residualLength: 8 })];
  for (const keys of ["beforeRotary", "afterRotary"] as const) {
    for (const execution of ["packed", "simulated"] as const) {
      caches.push(kvquant({ bits: 8, keys, execution }));
    }
  }
  for (const kv of caches) {
    using rotated = await quantize(model, { transforms: [quarot()], kv }, { calibration: [ids] });
    // 8 bits lose a hundredth; keys in another frame than queries lose everything.
    assertLess(difference(await rotated.logits(ids), expected), 0.05, JSON.stringify(kv));
    const cache = rotated.createCache(ids.length);
    assert(cache !== null);
    using held = cache;
    await rotated.step(ids.subarray(0, 20), held);
    const steps = await rotated.step(ids.subarray(20), held, false);
    assertLess(
      difference(steps, expected.subarray(expected.length - steps.length)),
      0.05,
      JSON.stringify(kv),
    );
  }
});

Deno.test("a walk over the sites meets rotated inputs", async () => {
  using model = await loadModel(`${folder}llama_mha`);
  using rotated = await quantize(model, { transforms: [quarot()] });
  const seen = new Map<string, Float32Array>();
  const observer = {
    async input(x: Parameters<Model["device"]["read"]>[0], at: { layer: number; site: string }) {
      seen.set(`${at.layer}.${at.site}`, await rotated.device.read(x));
    },
  };
  for (const hidden of await rotated.hiddenStates([ids], [observer])) hidden[Symbol.dispose]();
  await walkSites(rotated, [ids], async (stop) => {
    const [input] = stop.inputs;
    assertEquals(await rotated.device.read(input), seen.get(`${stop.layer}.${stop.site}`));
    return [await stop.run(stop.linears, input, ids.length)];
  });
});

Deno.test("options, and what is rotated twice or after rounding", async () => {
  assertEquals(parseScheme({ transforms: [{ method: "quarot" }] }).transforms, [quarot()]);
  assertThrows(
    () => quarot({ seed: -1 }),
    SchemeError,
    "seed is -1: expected an integer from 0 to 4294967295",
  );
  assertThrows(() => rtn({ bits: 4, clip: 0 }), SchemeError, "clip is 0: expected a number from 0.01 to 1");
  using model = await loadModel(`${folder}llama_mha`);
  await assertRejects(
    () => quantize(model, { transforms: [quarot(), quarot()] }),
    SchemeError,
    "its heads are rotated already",
  );
  using rounded = await quantize(model, { weights: rtn({ bits: 4 }) });
  await assertRejects(
    () => quantize(rounded, { transforms: [quarot()] }),
    SchemeError,
    "it is quantized already",
  );
  // Another seed is another model; the same one is the same.
  const hashOf = async (seed: number) => {
    using rotated = await quantize(model, { transforms: [quarot({ seed })] });
    return await rotated.hash();
  };
  assertEquals(await hashOf(1), await hashOf(1));
  assert(await hashOf(1) !== await hashOf(2));
});
