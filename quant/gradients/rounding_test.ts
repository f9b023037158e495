/**
 * Roundings and their gradients against vectors of OmniQuant's and ABQ-LLM's code (torch's automatic differentiation), and against
 * differences of a float64 twin in which what straight-through rounding holds fixed is held fixed.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import vectors from "../../fixtures/expected/methods2/learned/quantizer.json" with { type: "json" };
import { Random } from "../../kernels/conformance/suite.ts";
import { keepFromZero } from "./equivalent.ts";
import { type ClipLogits, type RangeRule, roundRange } from "./rounding.ts";

interface Vector {
  readonly bits: number;
  readonly symmetric: boolean;
  readonly groupSize: number | null;
  readonly disableZeroPoint: boolean;
  readonly lwc: readonly number[] | null;
  readonly x: readonly (readonly number[])[];
  readonly y: readonly (readonly number[])[];
  readonly scale: readonly (readonly number[])[];
  readonly zero: readonly (readonly number[])[] | null;
  readonly coef: readonly (readonly number[])[];
  readonly gradX: readonly (readonly number[])[];
  readonly gradUp?: readonly (readonly number[])[];
  readonly gradLow?: readonly (readonly number[])[];
}

/** Largest difference, in parts of the largest value or of 1. */
function difference(found: ArrayLike<number>, expected: readonly (readonly number[])[]): number {
  const flat = expected.flat();
  assertEquals(found.length, flat.length);
  const size = Math.max(1, ...flat.map(Math.abs));
  return Math.max(...flat.map((value, i) => Math.abs(Math.fround(value) - found[i]))) / size;
}

for (const [code, balanced] of [["omni", false], ["abq", true]] as const) {
  Deno.test(`roundRange: values, scales, zero points and gradients of ${code}'s quantizer`, () => {
    for (const one of vectors[code] as unknown as readonly Vector[]) {
      const x = Float32Array.from(one.x.flat()), size = one.groupSize ?? one.x[0].length;
      const rule = { bits: one.bits, symmetric: one.symmetric, signed: one.disableZeroPoint };
      const [upper, lower] = (one.lwc ?? []).map((logit) => new Float32Array(x.length / size).fill(logit));
      const clip = one.lwc === null ? null : { upper, lower };
      // The code balances every quantizer of 1 or 2 bits that has a zero point.
      const own = { ...rule, balanced: balanced && !rule.signed };
      const rounded = roundRange(x, size, own, clip);
      const back = rounded.back(Float32Array.from(one.coef.flat()));
      const shown = JSON.stringify({ ...one, x: undefined, y: undefined });
      // exp of torch and of this suite may differ by a unit in the last place, 2^-23; without it values are the same.
      const bound = one.lwc === null ? 0 : 2 ** -21;
      assert(difference(rounded.values, one.y) <= bound, shown);
      assert(difference(rounded.scales, one.scale) <= bound, shown);
      if (one.zero !== null) assertEquals(difference(rounded.zeros, one.zero), 0, shown);
      // Sums of 8 terms in float32, in torch's order.
      assert(difference(back.x, one.gradX) <= 2 ** -20, shown);
      if (back.clip === null || one.gradUp === undefined || one.gradLow === undefined) continue;
      assert(difference(back.clip.upper, one.gradUp) <= 2 ** -20, shown);
      assert(difference(back.clip.lower, one.gradLow) <= 2 ** -20, shown);
    }
  });
}

Deno.test("scales that come close to 0 are moved away, as the code does", () => {
  const { x, y } = vectors.truncate, scales = Float32Array.from(x);
  keepFromZero(scales);
  assertEquals(scales, Float32Array.from(y));
});

/** `sum(coef * y)` in float64 with each code's rounding, and the zero point, as far off as they are at `at`. */
function twin(
  x: readonly number[],
  [up, low]: readonly [number, number],
  rule: RangeRule,
  at: { readonly x: readonly number[]; readonly logits: readonly [number, number] },
  coef: readonly number[],
): number {
  const grid = (values: readonly number[], [u, l]: readonly [number, number]) => {
    const most = Math.max(...values) / (1 + Math.exp(-u)), least = Math.min(...values) / (1 + Math.exp(-l));
    return { scale: (most - least) / (2 ** rule.bits - 1), least };
  };
  const fixed = grid(at.x, at.logits), zero = Math.round(-fixed.least / fixed.scale);
  const { scale } = grid(x, [up, low]);
  return x.reduce((sum, value, i) => {
    const exact = at.x[i] / fixed.scale, free = Math.round(exact) + zero;
    const code = Math.min(Math.max(free, 0), 2 ** rule.bits - 1) === free
      ? value / scale + Math.round(exact) - exact + zero
      : free < 0
      ? 0
      : 2 ** rule.bits - 1;
    return sum + coef[i] * (code - zero) * scale;
  }, 0);
}

Deno.test("roundRange: gradients are the differences of a twin that keeps its codes' offsets", () => {
  const random = new Random(5), rule = { bits: 3 }, draw = () => 2 * random.next() - 1;
  for (let round = 0; round < 50; round++) {
    const x = Array.from({ length: 12 }, () => Math.fround(draw())), coef = x.map(draw);
    const logits = [Math.fround(1 + draw()), Math.fround(1 + draw())] as const;
    const clip: ClipLogits = { upper: Float32Array.of(logits[0]), lower: Float32Array.of(logits[1]) };
    const back = roundRange(Float32Array.from(x), 12, rule, clip).back(Float32Array.from(coef));
    const h = 1e-7,
      of = (y: readonly number[], l: readonly [number, number]) => twin(y, l, rule, { x, logits }, coef);
    for (const i of x.keys()) {
      const [plus, minus] = [h, -h].map((d) => of(x.with(i, x[i] + d), logits));
      assertLess(Math.abs((plus - minus) / (2 * h) - back.x[i]), 1e-4, `x ${i} of draw ${round}`);
    }
    for (const [i, end] of (["upper", "lower"] as const).entries()) {
      const moved = (d: number): readonly [number, number] =>
        i === 0 ? [logits[0] + d, logits[1]] : [logits[0], logits[1] + d];
      const slope = (of(x, moved(h)) - of(x, moved(-h))) / (2 * h);
      assertLess(Math.abs(slope - (back.clip?.[end][0] ?? NaN)), 1e-4, `${end} of draw ${round}`);
    }
  }
});

Deno.test("roundRange: many bits leave values, one value per group comes back as itself near 0", () => {
  const random = new Random(9), x = Float32Array.from({ length: 64 }, () => random.next() - 0.5);
  const { values } = roundRange(x, 16, { bits: 8 });
  for (const [i, value] of values.entries()) assertLess(Math.abs(value - x[i]), 1 / 255);
  assertEquals(roundRange(Float32Array.of(0, 0, 0), 3, { bits: 4 }).values, new Float32Array(3));
});
