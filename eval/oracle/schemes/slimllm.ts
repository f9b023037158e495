/** Runs of SliM-LLM's original code (`Aaronhuang-778/SliM-LLM` `slim-llm/run.py`). */
import { show } from "../../../base/show.ts";
import { slimLlm } from "../../../quant/methods/slimllm.ts";
import { OracleError } from "../error.ts";
import type { GoldenReader } from "./golden.ts";

const known = ["bits", "group", "nsamples", "lam", "salient", "nonsalient", "saved"] as const;

/**
 * `{ bits: 3, group: 32, salient: 1, nonsalient: 1 }`: pairs are searched unless they are given; `saved` is the bits of all groups; `lam` what errors of
 * salient entries count.
 */
export const readSlimLlm: GoldenReader = ({ id, config }) => {
  const refused = (name: string, expected: string) =>
    new OracleError("id", `${id}: ${name} is ${show(config[name])}: expected ${expected}`);
  for (const name of Object.keys(config)) {
    if (!known.some((one) => one === name)) throw refused(name, `none but ${known.join(", ")}`);
  }
  const numberOf = (name: typeof known[number], fallback?: number) => {
    const value = config[name] ?? fallback;
    if (typeof value === "number") return value;
    throw refused(name, "a number");
  };
  const bits = numberOf("bits"), pairs = numberOf("salient", -1);
  if (pairs !== numberOf("nonsalient", -1)) throw refused("nonsalient", "as many as salient");
  if (config.saved !== undefined && config.saved !== bits) {
    throw refused("saved", `${bits} for all groups, as precisions of single groups are not taken`);
  }
  const scheme = slimLlm({
    bits,
    groupSize: numberOf("group"),
    pairs: config.saved !== undefined ? 0 : pairs < 0 ? "search" : pairs,
    salienceWeight: numberOf("lam", 1),
    sigma: 2,
    arithmetic: "original",
  });
  return { scheme: { weights: scheme }, calibrationWindows: numberOf("nsamples", 8) };
};
