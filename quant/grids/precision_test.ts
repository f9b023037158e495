import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { roundToHalf } from "./precision.ts";

Deno.test("every float16, every midpoint of neighbours and the float32 next to it round as Math.f16round rounds", () => {
  const half = Float16Array.from(new Float16Array(Uint16Array.from({ length: 1 << 16 }, (_, i) => i).buffer));
  const near = new Float32Array(1), pattern = new Uint32Array(near.buffer);
  for (let i = 0; i + 1 < half.length; i++) {
    const middle = (half[i] + half[i + 1]) / 2;
    near[0] = middle;
    const candidates = [half[i], middle];
    for (const step of [-1, 2]) {
      pattern[0] += step;
      candidates.push(near[0]);
    }
    for (const x of candidates) {
      // The sign of zero is lost: nothing here divides by it.
      if (roundToHalf(x) !== Math.f16round(x)) assertEquals(roundToHalf(x), Math.f16round(x), `${x}`);
    }
  }
});

Deno.test("sums, differences, products and quotients of float16 numbers round once", () => {
  const float16 = fc.integer({ min: 0, max: 0xffff }).map((i) =>
    new Float16Array(Uint16Array.of(i).buffer)[0]
  );
  fc.assert(fc.property(float16, float16, (a, b) => {
    for (const x of [a + b, a - b, a * b, a / b]) assertEquals(roundToHalf(x) + 0, Math.f16round(x) + 0);
  }));
});
