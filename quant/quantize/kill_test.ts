/** A process that quantizes is killed at a few random instants: the same bits, one layer repeated at most. */
import { PythonRandom } from "../../base/random.ts";
import { killAgainAndAgain } from "./kill_testing.ts";

Deno.test({
  name: "a quantization that is killed and started again ends with the same bits",
  ignore: Deno.build.os === "windows",
  fn: () => killAgainAndAgain(["weights=gptq:4,g32,actOrder,trueSequential"], 3, new PythonRandom(1)),
});
