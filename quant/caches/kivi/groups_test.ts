import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import vectors from "../../../fixtures/vectors.json" with { type: "json" };
import { PackedGroups } from "./groups.ts";
import type { Precision } from "../../grids/precision.ts";

/** Unit roundoffs. */
const unit: Record<Precision, number> = { float16: 2 ** -11, float32: 2 ** -24 };

/** Values of a precision, between -8 and 8 and not so small that float16 loses digits. */
const group = (precision: Precision) =>
  fc.array(
    fc.double({ min: -8, max: 8, noNaN: true }).map((x) => Math.abs(x) < 2 ** -10 ? 0 : x),
    { minLength: 1, maxLength: 70 },
  ).map((values) => precision === "float16" ? new Float16Array(values) : new Float32Array(values));

const settings = fc.record({
  bits: fc.integer({ min: 1, max: 8 }),
  precision: fc.constantFrom<Precision>("float16", "float32"),
});

/** One group, written in the middle of others. */
function packed(bits: number, precision: Precision, values: ArrayLike<number>): PackedGroups {
  const groups = new PackedGroups(bits, values.length, 3, precision);
  groups.write(1, values, 0, 1);
  return groups;
}

const read = (groups: PackedGroups, group = 1) => {
  const values = new Float32Array(groups.groupSize);
  groups.read(group, values, 0, 1);
  return values;
};

Deno.test("float16 groups agree with the golden vectors of the reference code", () => {
  const { x, group_size, cases } = vectors.kivi;
  for (const { bits, mn, scale, q, packed_low_bits, dequant } of cases) {
    const groups = new PackedGroups(bits, group_size, 1, "float16");
    groups.write(0, Float16Array.from(x), 0, 1);
    assertEquals([groups.minimum(0), groups.scale(0)], [mn, scale]);
    assertEquals(q.map((_, i) => groups.code(0, i)), q);
    assertEquals(groups.words(0), Uint32Array.of(Number(packed_low_bits)));
    // The vectors are printed with nine digits.
    const expected = Float32Array.from(Float16Array.from(dequant));
    assertEquals(read(groups, 0), expected);
  }
});

Deno.test("every value comes back within half a step, the smallest and the largest as first and last code", () => {
  fc.assert(fc.property(
    settings.chain((s) => fc.record({ s: fc.constant(s), values: group(s.precision) })),
    ({ s: { bits, precision }, values }) => {
      const groups = packed(bits, precision, values), back = read(groups);
      const least = Math.min(...values), most = Math.max(...values), extent = most - least;
      // Four roundings act on steps (scale, difference, quotient, product), two (extent and sum) on whole values.
      const bound = groups.scale(1) / 2 +
        unit[precision] * (6 * extent + 2 * Math.max(Math.abs(least), Math.abs(most)));
      values.forEach((x, i) =>
        assertLessOrEqual(Math.abs(back[i] - x), bound, `${x} came back as ${back[i]}`)
      );
      assertEquals(groups.code(1, values.indexOf(least)), 0);
      if (groups.scale(1) > 0) assertEquals(groups.code(1, values.indexOf(most)), 2 ** bits - 1);
    },
  ));
});

Deno.test("a larger value never gets a smaller code", () => {
  fc.assert(fc.property(settings, group("float16"), ({ bits, precision }, values) => {
    const groups = packed(bits, precision, values.toSorted());
    for (let i = 1; i < values.length; i++) assert(groups.code(1, i) >= groups.code(1, i - 1));
  }));
});

Deno.test("a group of equal values is exact: scale 0, all codes 0", () => {
  fc.assert(
    fc.property(settings, fc.float({ noNaN: true, min: -1000, max: 1000 }), ({ bits, precision }, x) => {
      const value = (precision === "float16" ? Math.f16round(x) : x) + 0;
      const groups = packed(bits, precision, new Float32Array(33).fill(value));
      assertEquals([groups.scale(1), groups.minimum(1)], [0, value]);
      assertEquals(read(groups), new Float32Array(33).fill(value));
    }),
  );
});

Deno.test("writing a group leaves its neighbours alone, whatever the stride", () => {
  fc.assert(fc.property(settings, fc.integer({ min: 1, max: 5 }), ({ bits, precision }, stride) => {
    const size = 13;
    const groups = new PackedGroups(bits, size, 3, precision);
    const values = Float32Array.from({ length: size * stride }, (_, i) => Math.sin(i));
    for (const g of [0, 2]) groups.write(g, values, 0, 1);
    const before = [read(groups, 0), read(groups, 2)];
    groups.write(1, values, stride - 1, stride);
    assertEquals([read(groups, 0), read(groups, 2)], before);
    const alone = packed(bits, precision, values.filter((_, i) => i % stride === stride - 1));
    assertEquals(groups.words(1), alone.words(1));
    const spread = new Float32Array(size * stride);
    groups.read(1, spread, stride - 1, stride);
    assertEquals(spread.filter((_, i) => i % stride === stride - 1), read(alone));
  }));
});

Deno.test("a NaN makes its group NaN instead of some number", () => {
  for (const precision of ["float16", "float32"] as const) {
    const values = Float32Array.of(1, NaN, 3, 4);
    assert(read(packed(4, precision, values)).every(Number.isNaN));
  }
});

Deno.test("bytes are those of the codes' words, the scale and the minimum", () => {
  // 32 codes: two words at 2 bits, four at 4 bits, and four at 3 bits, ten codes to a word.
  for (const [bits, words] of [[2, 2], [4, 4], [3, 4], [8, 8], [1, 1]]) {
    assertEquals(new PackedGroups(bits, 32, 1, "float16").bytesPerGroup, 4 * words + 4);
    assertEquals(new PackedGroups(bits, 32, 1, "float32").bytesPerGroup, 4 * words + 8);
  }
});
