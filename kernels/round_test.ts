import { assertEquals } from "@std/assert";
import { roundHalfEven } from "./round.ts";

Deno.test("roundHalfEven: ties go to the even integer", () => {
  const cases = [[0.5, 0], [1.5, 2], [2.5, 2], [3.5, 4], [-1.5, -2], [-2.5, -2], [2.4999999, 2], [
    2.5000001,
    3,
  ]];
  for (const [x, expected] of cases) assertEquals(roundHalfEven(x), expected, `${x}`);
});

Deno.test("roundHalfEven: the sign of zero, NaN, infinities and large integers are kept", () => {
  for (const x of [-0, NaN, Infinity, -Infinity, 2 ** 51 + 1, -(2 ** 53), 1e300]) {
    assertEquals(Object.is(roundHalfEven(x), x), true, `${x}`);
  }
  assertEquals(Object.is(roundHalfEven(-0.5), -0), true);
  assertEquals(Object.is(roundHalfEven(0.25), 0), true);
});
