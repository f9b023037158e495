import { assert, assertEquals, assertLessOrEqual, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import vectors from "../../fixtures/vectors.json" with { type: "json" };
import { referenceDevice } from "../../kernels/reference.ts";
import { type LinearRole, siteOfRole } from "../../model/architecture.ts";
import { loadModel } from "../../model/load.ts";
import { bitsPerWeight } from "../weights/linear.ts";
import { quantize } from "../quantize.ts";
import { SchemeError } from "../error.ts";
import {
  dequantizeGroups,
  fakeQuantizeWeight,
  symmetricGroups,
  type ZeroQuant,
  zeroQuant,
  zeroQuantMethod,
} from "./zeroquant.ts";

const { input, b4_groups2, b4_groups4, b8_tokenwise } = vectors.zeroquant;
const matrix = { rows: 2, columns: 6, data: Float32Array.from(input.flat()) };

function packedOf(weight: typeof matrix, scheme: ZeroQuant, role: LinearRole) {
  const place = { layer: 0, role, site: siteOfRole(role), name: role };
  return zeroQuantMethod.weights.quantize(weight, scheme, place, null, referenceDevice());
}

/** Finite float32 matrices of random shapes, zeros and repeated values among them. */
const matrices = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 12 })).chain((
  [rows, columns],
) =>
  fc.array(
    fc.oneof(
      fc.constant(0),
      fc.double({ min: -8, max: 8, noNaN: true }),
      fc.integer({ min: -3, max: 3 }),
    ),
    { minLength: rows * columns, maxLength: rows * columns },
  ).map((values) => ({ rows, columns, data: Float32Array.from(values) }))
);

Deno.test("zeroQuant gives DeepSpeed's values: groups of rows, groups across rows, tokens", async () => {
  const float32 = (rows: number[][]) => Float32Array.from(rows.flat());
  const equal = (ours: Float32Array, expected: Float32Array) =>
    assertEquals(ours.map((value) => value + 0), expected.map((value) => value + 0));
  equal(fakeQuantizeWeight(matrix, zeroQuant({ bits: 4, groups: 2 }), "q"), float32(b4_groups2));
  equal(fakeQuantizeWeight(matrix, zeroQuant({ bits: 4, groups: 4 }), "q"), float32(b4_groups4));

  using device = referenceDevice();
  using x = device.upload(matrix.data);
  await zeroQuantMethod.operand.apply(device, x, { rows: 2, columns: 6, heads: 1 }, zeroQuant({ bits: 8 }));
  equal(await device.read(x), float32(b8_tokenwise));
});

Deno.test("groups may cross rows: four groups of three are the rows of another shape", () => {
  const crossing = { rows: 3, columns: 4, data: matrix.data };
  const reshaped = { rows: 4, columns: 3, data: matrix.data };
  const ours = fakeQuantizeWeight(crossing, zeroQuant({ bits: 4, groups: 4 }), "up");
  assertEquals(ours, fakeQuantizeWeight(reshaped, zeroQuant({ bits: 4 }), "up"));
});

Deno.test("as many groups as rows is the default; one group is one token of all values", () => {
  fc.assert(fc.property(matrices, fc.integer({ min: 2, max: 8 }), (weight, bits) => {
    const byDefault = fakeQuantizeWeight(weight, zeroQuant({ bits }), "k");
    assertEquals(fakeQuantizeWeight(weight, zeroQuant({ bits, groups: weight.rows }), "k"), byDefault);
    const single = fakeQuantizeWeight(weight, zeroQuant({ bits, groups: 1 }), "k");
    assertEquals(single, dequantizeGroups(symmetricGroups(weight.data, weight.data.length, bits)));
  }));
});

Deno.test("a group of one value: exact if negative or zero, one step short if positive", () => {
  fc.assert(fc.property(matrices, fc.integer({ min: 2, max: 8 }), (weight, bits) => {
    const ours = fakeQuantizeWeight(weight, zeroQuant({ bits, groups: weight.data.length }), "v");
    for (const [i, value] of weight.data.entries()) {
      // Scales below the least normal float32, 2^-126, lose bits.
      if (Math.abs(value) < 2 ** (bits - 127)) continue;
      assertEquals(ours[i], value > 0 ? Math.fround(value * (1 - 2 ** (1 - bits))) : value);
    }
  }));
});

Deno.test("errors are half a step at most, a whole one at a clipped positive extreme", () => {
  fc.assert(fc.property(matrices, fc.integer({ min: 2, max: 8 }), (weight, bits) => {
    const groups = symmetricGroups(weight.data, weight.columns, bits);
    const values = dequantizeGroups(groups);
    for (const [i, value] of weight.data.entries()) {
      const scale = groups.scales[Math.floor(i / weight.columns)];
      const clipped = groups.codes[i] === 2 ** (bits - 1) - 1;
      // Beyond the half step: the roundings of x / s and of the product, 2^-23 of |x| together.
      assertLessOrEqual(
        Math.abs(values[i] - value),
        (clipped ? 1 : 0.5) * scale + 2 ** -23 * Math.abs(value) + 2 ** -126,
      );
    }
  }));
});

Deno.test("a row of zeros stays zero where the reference gives NaN; a NaN makes its group NaN", () => {
  const data = Float32Array.of(0, 0, 0, 1, NaN, 2, 1, Infinity, 2);
  const values = dequantizeGroups(symmetricGroups(data, 3, 4));
  assertEquals(values.subarray(0, 3), new Float32Array(3));
  assert(values.subarray(3).every(Number.isNaN));
});

Deno.test("the packed weight holds what is simulated, in bits and one scale per group", async () => {
  await fc.assert(fc.asyncProperty(matrices, fc.integer({ min: 2, max: 8 }), async (weight, bits) => {
    for (const groups of [weight.rows, weight.columns, 1, weight.data.length]) {
      const scheme = zeroQuant({ bits, groups });
      const packed = await packedOf(weight, scheme, "o");
      assertEquals(packed.dequantize(), fakeQuantizeWeight(weight, scheme, "o"));
      assertEquals(packed.byteLength, Math.ceil(bits * weight.data.length / 8) + 4 * groups);
      assertEquals(packed.shape, [weight.rows, weight.columns]);
    }
  }));
});

Deno.test("packed execution gives the same bits; groups across rows have no kernel", async () => {
  using model = await loadModel("fixture:llama");
  const ids = Int32Array.from({ length: 12 }, (_, i) => 7 * i + 3);
  const scheme = { weights: zeroQuant({ bits: 8, mlpBits: 4 }), activations: zeroQuant({ bits: 8 }) };
  using simulated = await quantize(model, scheme);
  using packed = await quantize(model, scheme, { execution: "packed" });
  assertEquals(await packed.logits(ids), await simulated.logits(ids));
  // 256 groups of gate and up, 512 rows, are two rows each.
  await assertRejects(
    () => quantize(model, { weights: zeroQuant({ bits: 4, groups: 256 }) }, { execution: "packed" }),
    SchemeError,
    "no packed kernel",
  );
});

Deno.test("mlpBits are those of the feed-forward roles, bits those of attention", async () => {
  const weight = { rows: 16, columns: 64, data: new Float32Array(16 * 64).fill(1) };
  const scheme = zeroQuant({ bits: 8, mlpBits: 4 });
  for (const role of ["q", "k", "v", "o"] as const) {
    assertEquals(bitsPerWeight(await packedOf(weight, scheme, role)), 8.5);
  }
  for (const role of ["gate", "up", "down"] as const) {
    assertEquals(bitsPerWeight(await packedOf(weight, scheme, role)), 4.5);
  }
});

Deno.test("heads of an attention operand are vectors of their own", async () => {
  using device = referenceDevice();
  using x = device.upload(matrix.data);
  await zeroQuantMethod.operand.apply(device, x, { rows: 2, columns: 6, heads: 2 }, zeroQuant({ bits: 4 }));
  assertEquals(await device.read(x), fakeQuantizeWeight(matrix, zeroQuant({ bits: 4, groups: 4 }), "q"));
});

Deno.test("options outside what is accepted are refused", async () => {
  assertThrows(() => zeroQuant({ bits: 9 }), SchemeError, "bits is 9: expected an integer from 2 to 8");
  assertThrows(() => zeroQuant({ bits: 8, mlpBits: 1 }), SchemeError, "mlpBits is 1");
  assertThrows(() => zeroQuant({ bits: 8, groups: 0.5 }), SchemeError, "groups is 0.5");
  const unknown = { bits: 8, groupSize: 32 };
  assertThrows(() => zeroQuant(unknown), SchemeError, 'no option "groupSize"');
  assertThrows(
    () => fakeQuantizeWeight(matrix, zeroQuant({ bits: 4, groups: 5 }), "q"),
    SchemeError,
    "groups 5",
  );

  using model = await loadModel("fixture:llama");
  // @ts-expect-error activations have one scale per token
  const grouped: Parameters<typeof quantize>[1] = { activations: zeroQuant({ bits: 8, groups: 4 }) };
  await assertRejects(() => quantize(model, grouped), SchemeError, 'no option "groups"');
});
