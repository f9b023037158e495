import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { corpus } from "../../eval/corpus.ts";
import { loadModel } from "../../model/load.ts";
import { BoundedMemory } from "../calibration/memory.ts";
import { walkSites } from "../calibration/sites.ts";
import { runPlain } from "../transforms/scale_search.ts";
import { awq, awqMethod, type AwqOptions, scaleCandidates } from "./awq.ts";
import { awqQuantizer, clipGroups, divideGram, quantizeGroups, roundGroups } from "./awq/grid.ts";
import { quantize } from "../quantize.ts";
import { quantizeRows, rtn } from "./rtn.ts";
import { SchemeError } from "../error.ts";

/** A repeatable sequence of numbers in [-1, 1). */
function noise(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from(
    { length: count },
    () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1,
  );
}

function roundHalfEven(x: number): number {
  const low = Math.floor(x), part = x - low;
  return part > 0.5 || (part === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/** SPEC-2 section 22 in float64. */
function twin(group: number[], limit: number, bits: number): number[] {
  const clipped = group.map((w) => Math.min(Math.max(w, -limit), limit)), top = 2 ** bits - 1;
  const most = Math.max(...clipped), least = Math.min(...clipped);
  const s = Math.max(most - least, 1e-5) / top;
  const z = Math.min(Math.max(-roundHalfEven(least / s), 0), top);
  return clipped.map((w) => s * (Math.min(Math.max(roundHalfEven(w / s) + z, 0), top) - z));
}

Deno.test("groups that straddle 0 are rounded as round to nearest does", () => {
  const weight = { rows: 6, columns: 64, data: noise(6 * 64, 1) };
  for (const groupSize of [16, 64]) {
    const ours = quantizeGroups(weight, awq({ bits: 3, groupSize }));
    const nearest = quantizeRows(weight, rtn({ bits: 3, groupSize }));
    assertEquals(ours.codes(), nearest.codes());
    assertEquals(ours.dequantize(), nearest.dequantize());
    assertEquals(roundGroups(weight, { bits: 3, groupSize }), ours.dequantize());
  }
  const whole = quantizeGroups(weight, awq({ bits: 4, groupSize: -1 }));
  assertEquals(whole.dequantize(), quantizeGroups(weight, awq({ bits: 4, groupSize: 64 })).dequantize());
});

Deno.test("quantizer of a range away from 0: the zero point stays a code", () => {
  // 0.5 to 1: step 0.5 / 15, zero clamped to 0, so that codes end at 0.5; the original code does the same.
  const quantizer = awqQuantizer(0.5, 1, 4);
  assertEquals([quantizer.zero, quantizer.highest], [0, 15]);
  assertEquals(awqQuantizer(-1, -0.5, 4).zero, 15);
  assert(awqQuantizer(0, 0, 4).scale > 0);
});

Deno.test("clipping takes the candidate of a float64 twin that looks at the tokens themselves", () => {
  let compared = 0;
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 }),
      fc.constantFrom(4, 8),
      fc.integer({ min: 2, max: 4 }),
      fc.integer({ min: 1, max: 1 << 30 }),
      (groups, size, bits, seed) => {
        const columns = groups * size, rows = 3, tokens = 10;
        const data = noise(rows * columns, seed).map((w, i) => i % 5 === 0 ? 3 * w : w);
        const x = noise(tokens * columns, seed + 1).map((value, i) => value * (1 + (i % columns) % 3));
        const gram = new Float64Array(columns * columns);
        for (let t = 0; t < tokens; t++) {
          for (let j = 0; j < columns; j++) {
            for (let k = 0; k < columns; k++) {
              gram[j * columns + k] += x[t * columns + j] * x[t * columns + k];
            }
          }
        }
        const ours = clipGroups({ rows, columns, data }, gram, { bits, groupSize: size });
        for (let start = 0; start < data.length; start += size) {
          const own = Array.from(data.subarray(start, start + size)), first = start % columns;
          const absmax = Math.max(...own.map(Math.abs));
          const errors = Array.from({ length: 10 }, (_, i) => {
            const rounded = twin(own, (1 - i / 20) * absmax, bits);
            let sum = 0;
            for (let t = 0; t < tokens; t++) {
              sum += own.reduce((y, w, j) => y + (rounded[j] - w) * x[t * columns + first + j], 0) ** 2;
            }
            return sum;
          });
          const sorted = [...errors].sort((a, b) => a - b);
          // Two candidates within 1e-3 of each other may change places in float32.
          if (sorted[1] - sorted[0] < 1e-3 * sorted[1]) continue;
          compared++;
          const limit = (1 - errors.indexOf(sorted[0]) / 20) * absmax;
          for (const [j, w] of own.entries()) {
            assertAlmostEquals(ours[start + j], Math.min(Math.max(w, -limit), limit), 1e-6);
          }
        }
      },
    ),
    { seed: 1, numRuns: 60 },
  );
  assert(compared > 150, `${compared}`);
});

Deno.test("a weight that no input reaches does not keep its group's range wide", () => {
  const data = Float32Array.of(0.1, -0.2, 0.15, 4), gram = new Float64Array(16);
  for (let j = 0; j < 3; j++) gram[j * 5] = 1;
  const clipped = clipGroups({ rows: 1, columns: 4, data }, gram, { bits: 4, groupSize: 4 });
  assertAlmostEquals(clipped[3], 0.55 * 4, 1e-6);
});

Deno.test("factors: ratio 0 is no scaling, larger inputs get larger factors, their middle is 1", () => {
  const candidates = [...scaleCandidates(Float64Array.of(0.01, 1, 100), 20)];
  assertEquals(candidates.length, 20);
  assertEquals([...candidates[0].scales], [1, 1, 1]);
  // Ratio 1/2: 0.1, 1, 10 over sqrt(10 * 0.1).
  for (const [j, s] of [0.1, 1, 10].entries()) assertAlmostEquals(candidates[10].scales[j], s, 1e-6);
  // A channel that was always 0 is bounded below.
  assert([...scaleCandidates(Float64Array.of(0, 1), 4)].every(({ scales }) => scales.every((s) => s > 0)));
});

Deno.test("a grid of ratio 0 alone leaves the model's weights to round to nearest", async () => {
  using model = await loadModel("fixture:opt");
  const calibration = await corpus("calibration", { windows: 1, length: 32, seed: 0 });
  const options = { bits: 4, groupSize: 64, clipping: false };
  using searched = await quantize(model, { weights: awq({ ...options, ratios: 1 }) }, { calibration });
  using plain = await quantize(model, { weights: awq({ ...options, scaling: false }) });
  const ids = Int32Array.from({ length: 16 }, (_, i) => 5 * i + 2);
  assertEquals(await searched.logits(ids), await plain.logits(ids));
});

Deno.test("the Gram matrix of divided inputs is that of the inputs, divided", () => {
  const tokens = [[4, 6, -2], [2, -12, 8]], scales = Float32Array.of(2, 4, 0.5);
  const gramOf = (rows: number[][]) =>
    Float64Array.from(
      { length: 9 },
      (_, i) => rows.reduce((sum, x) => sum + x[Math.floor(i / 3)] * x[i % 3], 0),
    );
  const gram = gramOf(tokens);
  divideGram(gram, scales);
  // Powers of two: no bit may differ, of the first entry neither.
  assertEquals(gram, gramOf(tokens.map((x) => x.map((value, j) => value / scales[j]))));
});

Deno.test("clipping leaves queries and keys alone and clips the others on what they read, divided by the factors", async () => {
  using model = await loadModel("fixture:opt");
  const calibration = await corpus("calibration", { windows: 1, length: 24, seed: 0 });
  const options = { bits: 3, groupSize: 64, ratios: 4 }, { prepare } = awqMethod.weights;
  const context = {
    calibration: () => calibration,
    progress: () => {},
    memory: new BoundedMemory(),
    finished: null,
  };
  assert(prepare !== undefined);
  using clipped = await prepare(model, awq(options), context);
  // The same without clipping: weights with their factors folded in, whose inputs are divided by them.
  using scaled = await prepare(model, awq({ ...options, clipping: false }), context);
  const walked = walkSites(scaled, calibration, async (stop) => {
    if (stop.layer > 0) throw new Error("the first layer is enough");
    const { columns } = stop,
      x = await stop.device.read(stop.inputs[0]),
      gram = new Float64Array(columns ** 2);
    for (let start = 0; start < x.length; start += columns) {
      for (let i = 0; i < columns; i++) {
        for (let j = 0; j < columns; j++) gram[i * columns + j] += x[start + i] * x[start + j];
      }
    }
    for (const [i, role] of stop.roles.entries()) {
      const found = await clipped.linear(0, role).values(), own = stop.weights[i];
      // Texts of what differs in tens of thousands of numbers would take minutes.
      const same = (other: Float32Array) => found.every((value, k) => value === other[k]);
      assertEquals(same(own.data), role === "q" || role === "k", role);
      // Rows of values and of up are divided once more after they were clipped, where ties of float16 weights fall otherwise.
      if (role === "o" || role === "down") assert(same(clipGroups(own, gram, awq(options))), role);
    }
    return await runPlain(stop);
  });
  await assertRejects(() => walked, Error, "the first layer is enough");
});

Deno.test("options are checked", async () => {
  assertThrows(() => awq({ bits: 9 }), SchemeError, "bits is 9: expected an integer from 2 to 8");
  assertThrows(() => awq({ bits: 4, ratios: 0 }), SchemeError, "ratios is 0");
  assertThrows(() => awq({ bits: 4, group: 8 } as AwqOptions), SchemeError, 'no option "group"');
  assertThrows(
    () => quantizeGroups({ rows: 1, columns: 6, data: noise(6, 1) }, { bits: 4, groupSize: 4 }),
    SchemeError,
    "groupSize 4 does not divide 6",
  );
  using model = await loadModel("fixture:llama");
  const error = await quantize(model, { weights: awq({ bits: 4 }) }).then(() => null, (reason) => reason);
  assertEquals(error.code, "calibration");
});
