/** All pairs of methods. */
import { checkPairs } from "./composition_testing.ts";

Deno.test("every pair of methods composes, on a finite model close to the float one", () => checkPairs(1));
