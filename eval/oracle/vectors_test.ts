/** Sections of the golden vectors (`sections.json`, `formats/hqq.json`) that are about no method's own file: each is compared here once. */
import { assert, assertAlmostEquals, assertEquals, assertLess, assertThrows } from "@std/assert";
import hqq from "../../fixtures/expected/methods2/formats/hqq.json" with { type: "json" };
import sections from "../../fixtures/expected/methods2/rotation-w4a8/sections.json" with { type: "json" };
import { hadamard, hadamardMatrix, hadamardPlan } from "../../kernels/host/hadamard.ts";
import { uniformQuantizer } from "../../kernels/quantizer.ts";
import { referenceDevice } from "../../kernels/reference.ts";
import { layerRoles } from "../../model/architecture.ts";
import { loadModel } from "../../model/load.ts";
import { packMarlin, tilePermutation } from "../../quant/formats/marlin.ts";
import { unpackHqq } from "../../quant/formats/hqq.ts";
import { cayley, largestColumnSum } from "../../quant/gradients/cayley.ts";
import { packBits, unpackBits } from "../../quant/grids/bits.ts";
import { encode } from "../../quant/grids/uniform.ts";
import { dgq, dgqMethod } from "../../quant/methods/dgq.ts";
import { roundAll } from "../../quant/methods/dgq/ranges.ts";
import { roundFixed, strategyOf } from "../../quant/methods/fptq.ts";
import { mx, mxRule } from "../../quant/methods/mx.ts";
import { layoutOf, quantizeRows, rtn, ruleOf } from "../../quant/methods/rtn.ts";
import { removeMean } from "../../quant/transforms/rotate_model.ts";
import { hadamardRotation } from "../../quant/transforms/rotation.ts";
import { tableWeight } from "../../quant/weights/table.ts";
import { UniformWeight } from "../../quant/weights/uniform.ts";

const { quarot, spinquant } = sections, device = referenceDevice();

/** Compares float64 with what the original's float32 gives. */
function close(found: ArrayLike<number>, expected: readonly number[], what = "", bound = 2e-6) {
  assertEquals(found.length, expected.length, what);
  const size = expected.reduce((most, one) => Math.max(most, Math.abs(one)), 1);
  for (const [i, one] of expected.entries()) assertAlmostEquals(found[i], one, bound * size, `${what} ${i}`);
}

Deno.test("the order of a size is that of QuaRot's code, wherever that has one", () => {
  let raised = 0;
  for (const [size, order] of Object.entries(quarot["hadamard.tableOrder"].K)) {
    const plan = hadamardPlan(Number(size));
    assertEquals(plan.order * plan.doubled * plan.blocks, Number(size));
    if (typeof order === "number") assertEquals([plan.order, plan.blocks], [order, 1], size);
    else raised++;
  }
  assertLess(0, raised);
});

Deno.test("Hadamard transforms of rows, and of weights along inputs, heads and outputs", () => {
  for (const { n, x, matmul_hadU, matmul_hadU_transpose, matmul_hadU_cuda } of quarot["hadamard.transform"]) {
    for (
      const [expected, transposed] of [[matmul_hadU, false], [matmul_hadU_cuda, false], [
        matmul_hadU_transpose,
        true,
      ]] as const
    ) {
      const found = Float64Array.from(x.flat());
      hadamard(found, { rows: 2, size: n, transposed });
      close(found, expected.flat(), `${n} ${transposed}`);
    }
  }
  const { W, full_in, head4_out, full_out } = quarot["hadamard.linear"], n = W.length;
  for (
    const [expected, shape] of [
      [full_in, { rows: n, size: n }],
      [full_out, { rows: 1, size: n, stride: n }],
      [head4_out, { rows: n / 4, size: 4, stride: n }],
    ] as const
  ) {
    const found = Float64Array.from(W.flat());
    hadamard(found, shape);
    close(found, expected.flat());
  }
  for (
    const { heads, headDim, x, y } of [
      quarot["hadamard.onlinePartial"],
      quarot["hadamard.onlinePartial12heads"],
    ]
  ) {
    const found = Float64Array.from(x.flat(2));
    hadamard(found, { rows: 1, size: heads, stride: headDim });
    close(found, y.flat(2), `${heads} heads`);
  }
  const { signs, Q } = quarot["hadamard.random"], unit = new Float64Array(signs.length ** 2);
  for (let i = 0; i < signs.length; i++) unit[i * signs.length + i] = 1;
  hadamardRotation(signs.length, Int8Array.from(signs)).apply(unit, signs.length);
  close(unit, Q.flat());
  assertEquals(hadamardMatrix(1).length, 1);
});

Deno.test("keys and queries in QuaRot's wrapper: rotated, keys rounded by head and over as many values as a hidden state has", async () => {
  const { q, k, bits, clip, symmetric, qOut, kOutPerHead, kOutTokenwise } = quarot.qkRotation;
  const tokens = k[0][0].length, size = k[0][0][0].length;
  assertEquals(k.length, 1);
  const rotated = Float64Array.from(q.flat(3));
  hadamard(rotated, { rows: rotated.length / size, size });
  close(rotated, qOut.flat(3));
  // The device holds heads within tokens, the vectors tokens within heads.
  const keys = k[0].length,
    byToken = (values: number[][][]) =>
      values[0].flatMap((_, token) => values.flatMap((head) => head[token]));
  const view = { rows: tokens, columns: keys * size, heads: keys };
  for (
    const [expected, shared] of [
      [kOutPerHead, { granularity: "token" }],
      [kOutTokenwise, { granularity: "span", groupSize: q[0].length * size }],
    ] as const
  ) {
    const scheme = rtn({ bits, clip, symmetric, ...shared });
    using x = device.upload(Float32Array.from(byToken(k[0])));
    device.hadamard(x, { rows: tokens * keys, size });
    device.fakeQuantize(x, x, ruleOf(scheme), layoutOf(view, scheme));
    close(await device.read(x), byToken(expected[0]), shared.granularity);
  }
});

Deno.test("norms without a mean, and means taken out of what adds to the hidden state", async () => {
  const { x, y, eps } = quarot.rmsn, size = x[0].length;
  using from = device.upload(Float32Array.from(x.flat())),
    ones = device.upload(new Float32Array(size).fill(1));
  using to = device.allocate(x.length * size);
  device.rmsNorm(from, ones, to, x.length, eps);
  close(await device.read(to), y.flat());
  const { W, b, Wout, bout } = quarot.bakeMean;
  const weight = Float64Array.from(W.flat()), bias = Float64Array.from(b);
  removeMean(weight, 1, W.length, W[0].length);
  removeMean(bias, 1, b.length, 1);
  close(weight, Wout.flat());
  close(bias, bout);
});

Deno.test("int4 as QuaRot and DGQ pack it: the even code in the low, and in the high nibble", () => {
  const { codes: [signed], packed: [packed] } = quarot.packInt4;
  assertEquals([...packBits(Uint8Array.from(signed, (code) => code & 15), 4)], packed);
  const { codes: [codes], packed: bytes, unpacked } = sections.dgq.pack;
  const swapped = Uint8Array.from(bytes, (byte) => (byte << 4 | byte >> 4) & 255);
  assertEquals([...unpackBits(swapped, 4, codes.length)], codes);
  assertEquals(unpacked.flat(), codes);
});

Deno.test("HQQ's words: codes that lie a part of all rows apart share one", () => {
  for (const [name, { codes, shape: [rows, columns], packed }] of Object.entries(hqq.packing)) {
    assertEquals([...unpackHqq(packed, rows, columns, Number(name.slice(1)))], codes, name);
  }
});

Deno.test("SpinQuant's fixed-point iteration and its norm", () => {
  for (const { X, W, t, Y } of spinquant["cayley.loop"]) {
    const n = X.length, start = Float64Array.from(X.flat()), skew = Float64Array.from(W.flat());
    assertEquals(X, X[0].map((_, j) => X.map((row) => row[j])), "a start that is its own transpose");
    // The first guess follows the direction V; W itself is the tangent at the identity.
    const found = cayley(start, skew, skew, t, n);
    // It gives the transpose, as ours does.
    close(found, Y.flat());
  }
  const { W, value } = spinquant["cayley.norm1"];
  assertEquals(largestColumnSum(Float64Array.from(W.flat()), 2), value);
});

Deno.test("QUIK's symmetric rounding, without the precedence that its kernels get wrong", () => {
  const { x, bits4 } = sections.quik.symmetricQuantize;
  const quantizer = uniformQuantizer(-7, 7, { bits: 4, mode: "symmetric", zeroInRange: true });
  assertEquals(quantizer.scale, 1);
  assertEquals(x.map((value) => encode(value, quantizer) + 0), bits4.map((code) => code + 0));
  for (const [bits, wrong] of Object.entries(sections.quik.maxqPrecedence.values)) {
    const { highest } = uniformQuantizer(-1, 1, { bits: Number(bits), mode: "symmetric", zeroInRange: true });
    assertEquals(highest, 2 ** (Number(bits) - 1) - 1);
    assert(highest !== wrong);
  }
});

Deno.test("DGQ's and FPTQ's activations with fixed ranges, and DGQ's tensors of few columns", async () => {
  const { x, static: fixed, perTensorFewColumns } = sections.dgq.activation, count = x.flat().length;
  const columns = x[0].length, values = Float32Array.from(x.flat());
  using buffer = device.upload(values);
  await roundAll(device, buffer, count, fixed.absmax / 127, -127, 127);
  close(await device.read(buffer), fixed.y.flat());
  device.write(buffer, values);
  await dgqMethod.operand.apply(
    device,
    buffer,
    { rows: x.length, columns, heads: 1 },
    dgq({ ranges: "tensor" }),
  );
  close(await device.read(buffer), perTensorFewColumns.flat(), "few columns");
  const { x: inputs, static: own } = sections.fptq["w4a8.activation"];
  close(roundFixed(Float32Array.from(inputs.flat()), own.absmax, 8), own.y.flat(), "fptq");
});

Deno.test("FPTQ's choice for each input, and its weights", () => {
  for (const { absmax, foldable, strategy } of sections.fptq["fptq.strategy"]) {
    assertEquals(strategyOf(absmax, foldable, { low: 15, high: 150 }), strategy, `${absmax} ${foldable}`);
  }
  const { W, group, codes, scale, y } = sections.fptq["fptq.weight"];
  const scheme = rtn({ bits: 4, groupSize: group, symmetric: true, codes: "narrow" });
  const data = Float32Array.from(W.flat());
  const found = quantizeRows({ rows: W.length, columns: W[0].length, data }, scheme);
  const zeros = data.map((_, i) =>
    data.slice(i - i % group, i - i % group + group).every((w) => w === 0) ? 0 : 1
  );
  assertEquals(Array.from(found.codes(), (code) => code - 8), codes.flat().map((code) => code + 0));
  // A group of zeros may have any scale; its values are 0.
  const scales = scale.flat();
  for (const [g, one] of found.scales.entries()) {
    if (zeros[g * group]) assertAlmostEquals(one, scales[g], 1e-7);
  }
  close(found.dequantize(), y.flat());
});

Deno.test("MARLIN's permutation, its ties, and sizes that it refuses", () => {
  assertEquals([...tilePermutation("marlin")], sections.marlin.perm);
  const { w, scale, storedCodes } = sections.marlin.packTies;
  const quantizer = { scale, zero: 8, lowest: 0, highest: 15 };
  assertEquals(w.map((value) => encode(value, quantizer)), storedCodes);
  for (const { k, n, group } of sections.marlin.shapes) {
    const groupSize = group === -1 ? k : group;
    const weight = new UniformWeight({
      shape: [n, k],
      bits: 4,
      groupSize,
      codes: new Uint8Array(n * k),
      scales: new Float32Array(n * k / groupSize).fill(1),
      zeros: 8,
    });
    assertThrows(() => packMarlin(weight), Error, "marlin");
  }
});

Deno.test("scale rules differ on as many weights of a whole model as the libraries do", async () => {
  using model = await loadModel("fixture:llama", { device });
  const { architecture } = model, counts = new Map<string, number>();
  const of = (element: "e2m1" | "e4m3", scaleRule: "compressedTensors" | "rceil" | "floor") =>
    mxRule(mx({ element, scaleRule }));
  const pairs = (["fp4_e2m1", "fp8_e4m3"] as const).flatMap((name) =>
    (["rceil", "floor"] as const).map((rule) => ({ name, rule, element: name.slice(4) as "e2m1" | "e4m3" }))
  );
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const role of layerRoles(architecture, layer)) {
      const parameter = model.linear(layer, role), [rows, columns] = parameter.shape;
      const weight = { rows, columns, data: await parameter.values() };
      for (const { name, rule, element } of pairs) {
        const ours = tableWeight(weight, of(element, "compressedTensors")).dequantize();
        const other = tableWeight(weight, of(element, rule)).dequantize();
        const key = `mx ${name}: compressed-tensors, torchao ${rule}`;
        counts.set(
          key,
          ours.reduce((sum, value, i) => sum + Number(value !== other[i]), counts.get(key) ?? 0),
        );
      }
    }
  }
  const expected: Record<string, number> = sections.agreement.llama;
  for (const [key, count] of counts) assertEquals(count, expected[key], key);
  assertEquals(counts.size, 4);
});
