/** Pruning: the original code's masks and weights on small matrices, what is known exactly, composition, sizes. */
import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { loadModel } from "../../model/load.ts";
import { onHost } from "../compensation/steps.ts";
import { SchemeError } from "../error.ts";
import type { Matrix } from "../method.ts";
import { quantize } from "../quantize.ts";
import { describeScheme, parseScheme, type Scheme } from "../scheme.ts";
import { bitsPerWeight, storedWeight } from "../weights/linear.ts";
import { SparseWeight } from "../weights/sparse_values.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { fp8 } from "./fp8.ts";
import { gptq } from "./gptq.ts";
import { magnitude, maskOfMatrix } from "./magnitude.ts";
import { rtn } from "./rtn.ts";
import { sparseGpt, sparseGptSteps } from "./sparsegpt.ts";
import { wanda, wandaMask } from "./wanda.ts";

interface Vector {
  readonly fn: string;
  readonly case: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly output: Readonly<Record<string, unknown>>;
}

const path = new URL("../../fixtures/expected/methods2/sparse-obq/pruning.json", import.meta.url);
const vectors: Vector[] = JSON.parse(await Deno.readTextFile(path));

function matrix(rows: unknown): Matrix {
  const all = rows as number[][];
  return { rows: all.length, columns: all[0].length, data: Float32Array.from(all.flat()) };
}

const patternOf = (n: unknown, m: unknown) => n ? `${Number(m) - Number(n)}:${m}` : "unstructured";

Deno.test("SparseGPT: the original code's weights, zeros included", () => {
  let compared = 0;
  for (const { case: name, input, output } of vectors.filter(({ fn }) => fn === "sparsegpt")) {
    // Where the original raises, or removes a weight at a share of 0, or leaves equal scores to torch.topk.
    if (output.error || input.sparsity === 0 && !input.prunen || name.endsWith("2:4, H = 2I")) continue;
    const scheme = sparseGpt({
      sparsity: input.prunen ? 0.5 : input.sparsity as number,
      pattern: patternOf(input.prunen, input.prunem),
      blockSize: (input.blocksize ?? 128) as number,
      percdamp: (input.percdamp ?? 0.01) as number,
      ...Number(input.bits) < 16 && { bits: input.bits as number },
    });
    const hessian = Float64Array.from((input.H as number[][]).flat());
    const found = onHost(sparseGptSteps(matrix(input.W), hessian, scheme)).dequantize();
    matrix(output.W).data.forEach((value, i) => {
      assert((found[i] === 0) === (value === 0), `${name}: ${i} is ${found[i]}, expected ${value}`);
      assertLess(Math.abs(found[i] - value), 2e-5 * Math.max(1, Math.abs(value)), `${name}: ${i}`);
    });
    compared++;
  }
  assertEquals(compared, 24);
});

Deno.test("Wanda and magnitude: the original code's masks", () => {
  for (const { case: name, input, output } of vectors.filter(({ fn }) => fn === "masks")) {
    const weight = matrix(input.W),
      pattern = patternOf(input.n, input.m),
      sparsity = input.sparsity as number;
    const energies = Float64Array.from(input.scalerRow as number[]);
    // Which of equal scores of a group go is the choice of torch.topk.
    const ties = /^ties|with zeros/.test(name) && pattern !== "unstructured";
    const found = wandaMask(weight, energies, wanda({ sparsity, pattern }));
    if (!ties) assertEquals([...found], (output.wanda as number[][]).flat(), name);
    // A share of 0 removes nothing here; the original's threshold takes the smallest.
    if (sparsity === 0 || ties) continue;
    const zeros = maskOfMatrix(weight, magnitude({ sparsity, pattern }));
    assertEquals([...zeros], (output.magnitude as number[][]).flat(), name);
  }
});

/** A repeatable matrix. */
function noise(rows: number, columns: number, seed: number): Matrix {
  let state = seed;
  const next = () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1;
  return { rows, columns, data: Float32Array.from({ length: rows * columns }, next) };
}

function gramOf({ rows, columns, data }: Matrix): Float64Array {
  const gram = new Float64Array(columns * columns);
  for (let t = 0; t < rows; t++) {
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) {
        gram[i * columns + j] += data[t * columns + i] * data[t * columns + j];
      }
    }
  }
  return gram;
}

Deno.test("nothing removed, everything removed, one column, an identity Hessian", () => {
  const weight = noise(6, 24, 5), hessian = gramOf(noise(90, 24, 6));
  const prune = (options: Parameters<typeof sparseGpt>[0], h = hessian) =>
    onHost(sparseGptSteps(weight, h, sparseGpt(options))).dequantize();
  assertEquals(prune({ sparsity: 0 }), weight.data);
  assertEquals(prune({ pattern: "4:4" }), weight.data);
  assertEquals(prune({ sparsity: 1 }), new Float32Array(144));
  assertEquals(prune({ pattern: "0:4" }), new Float32Array(144));
  assertEquals([...maskOfMatrix(weight, magnitude({ sparsity: 0 }))], Array(144).fill(0));
  assertEquals([...maskOfMatrix(weight, magnitude({ pattern: "4:4" }))], Array(144).fill(0));
  const identity = new Float64Array(576);
  for (let i = 0; i < 24; i++) identity[25 * i] = 2;
  // Without correlations nothing is made good, and what goes is what is small: in blocks, here one.
  const mask = maskOfMatrix(weight, magnitude({ sparsity: 0.5 }));
  assertEquals(prune({ sparsity: 0.5 }, identity), weight.data.map((value, i) => mask[i] ? 0 : value));
  const equal = new Float64Array(24).fill(3), groups = magnitude({ pattern: "2:4" });
  assertEquals(wandaMask(weight, equal, wanda({ pattern: "2:4" })), maskOfMatrix(weight, groups));
});

Deno.test("compensation leaves less error than the same zeros without it", () => {
  const x = noise(200, 32, 8);
  x.data.forEach((value, i) =>
    x.data[i] = value * (1 + (i % 32 % 5) ** 2) + 0.5 * (i % 32 > 0 ? x.data[i - 1] : 0)
  );
  const weight = noise(16, 32, 9), gram = gramOf(x);
  const error = (values: Float32Array) => {
    let sum = 0;
    for (let row = 0; row < 16; row++) {
      for (let i = 0; i < 32; i++) {
        for (let j = 0; j < 32; j++) {
          const [a, b] = [i, j].map((k) => weight.data[row * 32 + k] - values[row * 32 + k]);
          sum += a * b * gram[i * 32 + j];
        }
      }
    }
    return sum;
  };
  for (const pattern of ["unstructured", "2:4"]) {
    const compensated = onHost(sparseGptSteps(weight, gram, sparseGpt({ pattern }))).dequantize();
    const same = weight.data.map((value, i) => compensated[i] === 0 ? 0 : value);
    assertLess(error(compensated), 0.9 * error(same));
  }
});

const calibration = [Int32Array.from({ length: 96 }, (_, i) => (i * 37 + 5) % 2048)];

Deno.test("stored: 9 bits per weight in 2:4, one bit per weight beside what stays of no pattern; read back exactly", async () => {
  using model = await loadModel("fixture:llama");
  const cases = [["2:4", 9], ["4:8", 9.5], ["unstructured", 9], ["1:4", 4.5]] as const;
  for (const [pattern, bits] of cases) {
    using pruned = await quantize(model, { sparsity: magnitude({ pattern }) });
    const stored = storedWeight(pruned, 1, "down");
    assert(stored instanceof SparseWeight);
    assertLess(Math.abs(bitsPerWeight(stored) - bits), 0.01, pattern);
    assertEquals(stored.dequantize(), await pruned.linear(1, "down").values());
  }
  // A group with fewer values than the pattern keeps, and a row that no group divides.
  for (const data of [[0, 0, 3, 0, 0, 0, 0, 0], [1, 0, 2, 0, 0, -5, 0, 4]]) {
    const values = Float32Array.from(data);
    assertEquals(new SparseWeight([1, 8], values, { keep: 2, group: 4 }).dequantize(), values);
    assertEquals(new SparseWeight([2, 4], values, { keep: 2, group: 3 }).dequantize(), values);
  }
});

Deno.test("zeros stay through what rounds the rest, or the pair is refused by name", async () => {
  using model = await loadModel("fixture:llama");
  const zerosOf = async (scheme: Scheme) => {
    using quantized = await quantize(model, scheme, { calibration });
    const values = await quantized.linear(2, "up").values();
    return values.filter((value) => value === 0).length / values.length;
  };
  for (const weights of [rtn({ bits: 4, groupSize: 64 }), fp8()]) {
    assert(await zerosOf({ sparsity: sparseGpt({ pattern: "2:4" }), weights }) >= 0.5);
  }
  const joint = { sparsity: sparseGpt({ pattern: "2:4", bits: 4 }) };
  assert(await zerosOf(joint) >= 0.5);
  using both = await quantize(model, joint, { calibration });
  assert(storedWeight(both, 0, "q") instanceof UniformWeight);
  await assertRejects(
    () => quantize(model, { sparsity: wanda(), weights: gptq({ bits: 4 }) }, { calibration }),
    SchemeError,
    "gptq turns the zero at model.layers.0.self_attn.q_proj.weight[",
  );
  await assertRejects(
    () => quantize(model, { ...joint, weights: rtn({ bits: 8 }) }, { calibration }),
    SchemeError,
    "sparseGpt rounds the weights that it keeps, and so would rtn",
  );
  await assertRejects(
    () => quantize(model, { sparsity: wanda() }),
    SchemeError,
    "wanda needs calibration windows",
  );
});

Deno.test("schemes with sparsity: per layer, described, stored, refused", async () => {
  const scheme: Scheme = {
    sparsity: wanda({ pattern: "2:4" }),
    weights: rtn({ bits: 4 }),
    overrides: [{ layers: [0], sparsity: "float" }, {
      layers: [3],
      linears: ["down"],
      sparsity: magnitude(),
    }],
  };
  assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
  assertEquals(
    describeScheme(scheme),
    "wanda 2:4 rtn W4; layers 0: no sparsity; layers 3 down: magnitude 50 %",
  );
  using model = await loadModel("fixture:llama");
  using pruned = await quantize(model, {
    sparsity: magnitude(),
    overrides: [{ layers: [0, 1], sparsity: "float" }],
  });
  const dense = await model.linear(1, "q").values(), kept = await pruned.linear(1, "q").values();
  assertEquals(kept, dense);
  assert(await pruned.hash() !== await model.hash());
  assertThrows(
    () => parseScheme({ sparsity: rtn({ bits: 4 }) }),
    SchemeError,
    "sparsity cannot be quantized by rtn",
  );
  assertThrows(() => sparseGpt({ pattern: "5:4" }), SchemeError, 'pattern is "5:4"');
  assertThrows(() => wanda({ pattern: "2:4", shares: true }), SchemeError, "shares is true");
});
