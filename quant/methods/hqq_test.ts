import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import vectors from "../../fixtures/expected/methods2/formats/hqq.json" with { type: "json" };
import { Random } from "../../kernels/conformance/suite.ts";
import { loadModel } from "../../model/load.ts";
import { quantize } from "../quantize.ts";
import type { RealZeroWeight } from "../weights/real_zero.ts";
import { hqq, type HqqOptions, type HqqStep, shrink, solveHqq } from "./hqq.ts";

const floats = (bits: readonly number[]) => Array.from(new Float32Array(new Uint32Array(bits).buffer));
const [rows, columns] = vectors.shape;
const weight = { rows, columns, data: Float32Array.from(floats(vectors.wBits)) };

interface Stored {
  readonly codes: readonly number[];
  readonly scaleBits: readonly number[];
  readonly zeroBits: readonly number[];
  readonly yBits: readonly number[];
}
function assertStored(found: RealZeroWeight, expected: Stored, name: string): void {
  assertEquals(Array.from(found.codes()), expected.codes, name);
  assertEquals(Array.from(found.scales), floats(expected.scaleBits), name);
  assertEquals(Array.from(found.zeros), floats(expected.zeroBits), name);
  assertEquals(Array.from(found.dequantize()), floats(expected.yBits), name);
}
/** Options in a name such as `"b4.g64.axis0"`. */
function optionsOf(name: string): HqqOptions {
  const [, bits, groupSize, axis] = /b(\d)\.g(\d+)(?:\.axis(\d))?/.exec(name)?.map(Number) ?? [];
  return { bits, groupSize, axis: axis === 0 ? 0 : 1 };
}

Deno.test("the default solver's trace is the original's bit for bit: errors, zero points, codes", () => {
  for (const [name, expected] of Object.entries(vectors.legacy)) {
    const steps: HqqStep[] = [];
    const found = solveHqq(weight, hqq(optionsOf(name)), (step) => steps.push(step));
    assertEquals(
      steps.map(({ zeros }) => Array.from(zeros)),
      expected.steps.map(({ zeroBits }) => floats(zeroBits)),
      name,
    );
    assertEquals(
      steps.map(({ error }) => error),
      floats(expected.steps.map(({ errorBits: [bits] }) => bits)),
      name,
    );
    assertStored(found, expected, name);
  }
});

Deno.test("the second solver gives the original's codes: stopped early, and after all its iterations", () => {
  for (const [name, expected] of Object.entries(vectors.v2)) {
    const slow = name.startsWith("slow") ? { iterations: 100, earlyStop: false } : {};
    assertStored(solveHqq(weight, hqq({ ...optionsOf(name), solver: "v2", ...slow })), expected, name);
  }
});
