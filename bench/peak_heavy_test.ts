import { assert, assertAlmostEquals, assertEquals, assertLessOrEqual } from "@std/assert";
import { cpuDevice } from "../kernels/cpu/device.ts";
import { productsOf } from "./latency.ts";
import { buildPeak } from "./peak/build.ts";
import { multiplyAdd, readAll, reserve } from "./peak/peak.wasm";
import { syntheticModel, vocabulary } from "./scaling.ts";

Deno.test("peak.wasm is what assembly.ts compiles to", async () => {
  const committed = await Deno.readFile(new URL("./peak/peak.wasm", import.meta.url));
  assertEquals(await buildPeak(), committed, "run bench/peak/build.ts");
});

Deno.test("the steps of the arithmetic limit are really taken", () => {
  // Twelve sums s = s / 2 + 1 that begin at 1 to 12, in four lanes each: 2 + (s0 - 2) / 2^steps.
  for (const steps of [0, 1, 5]) {
    let expected = 0;
    for (let s = 1; s <= 12; s++) expected += 4 * (2 + (s - 2) / 2 ** steps);
    assertAlmostEquals(multiplyAdd(steps, 0.5, 1), expected, 1e-3);
  }
});

Deno.test("the read limit reads memory that was written", () => {
  reserve(1 << 16);
  assertEquals(readAll(1 << 16), 0x01010101);
});

Deno.test("every form of the latency table multiplies its weight", async () => {
  using device = await cpuDevice({ threads: 1 });
  using products = productsOf(device, 32, 384);
  for (const { form, check } of products.list) {
    const share = await check();
    assertLessOrEqual(share, 1, form);
    assert(share > 0, `${form}: an error of 0 means that nothing was compared`);
  }
});

Deno.test("a model of any size runs", async () => {
  using device = await cpuDevice({ threads: 1 });
  using model = await syntheticModel({ hidden: 64, layers: 2 }, device);
  const logits = await model.logits(new Int32Array([1, 2, 3]));
  assertEquals(logits.length, 3 * vocabulary);
  assert(logits.every(Number.isFinite) && new Set(logits).size > vocabulary);
});
