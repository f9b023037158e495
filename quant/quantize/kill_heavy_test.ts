/** 40 kills at random instants, over methods that keep what they finish in different ways. */
import { PythonRandom } from "../../base/random.ts";
import { killAgainAndAgain } from "./kill_testing.ts";

const schemes = [
  "weights=gptq:4,g32,actOrder,trueSequential",
  "weights=awq:3,g32",
  "weights=spqr:3",
  "weights=qqq kv=kvquant:3",
  "transforms=smoothQuant weights=rtn:8 activations=rtn:8,granularity=token",
];

Deno.test({
  name: "40 kills of quantizations at random instants",
  ignore: Deno.build.os === "windows",
  fn: () => killAgainAndAgain(schemes, 40, new PythonRandom(2)),
});
