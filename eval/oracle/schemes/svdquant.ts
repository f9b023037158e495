/** Runs of SVDQuant's functions (`mit-han-lab/deepcompressor`) on language models. */
import { show } from "../../../base/show.ts";
import { rtn } from "../../../quant/methods/rtn.ts";
import { svdQuant } from "../../../quant/methods/svdquant.ts";
import { OracleError } from "../error.ts";
import type { GoldenReader } from "./golden.ts";

/** What a result may say, and what it is when it does not. */
const defaults = {
  rank: 32,
  wbits: 4,
  abits: 4,
  group: 64,
  iters: 5,
  smooth: null,
  compensate: false,
  unsigned: false,
} as const;

/** Stored windows that the original was given. */
const windows = 2;

/** `{ rank: 16, smooth: [0.5, 0.5] }`: groups of 64, five decompositions at most; 16 bits are float; `smooth: "grid"` is searched. */
export const readSvdQuant: GoldenReader = ({ id, config }) => {
  const refused = (name: string, expected: string) =>
    new OracleError("id", `${id}: ${name} is ${show(config[name])}: expected ${expected}`);
  for (const name of Object.keys(config)) {
    if (!Object.hasOwn(defaults, name)) throw refused(name, `none but ${Object.keys(defaults).join(", ")}`);
  }
  const numberOf = (name: "rank" | "wbits" | "abits" | "group" | "iters") => {
    const value = config[name] ?? defaults[name];
    if (typeof value === "number") return value;
    throw refused(name, "a number");
  };
  const flagOf = (name: "compensate" | "unsigned") => {
    const value = config[name] ?? defaults[name];
    if (typeof value === "boolean") return value;
    throw refused(name, "true or false");
  };
  const { smooth = null } = config;
  const pair = Array.isArray(smooth) && smooth.length === 2 ? { alpha: smooth[0], beta: smooth[1] } : null;
  if (smooth !== null && smooth !== "grid" && pair === null) {
    throw refused("smooth", 'two exponents or "grid"');
  }
  const groupSize = numberOf("group"), compensate = flagOf("compensate"), rank = numberOf("rank");
  const roundedTo = (bits: number) => rtn({ bits, groupSize, symmetric: true, codes: "narrow" });
  const scheme = svdQuant({
    rank,
    weights: roundedTo(numberOf("wbits")),
    activations: numberOf("abits") === 16 ? null : roundedTo(numberOf("abits")),
    smooth: pair ?? (smooth === "grid" ? "search" : "none"),
    grids: 4,
    iterations: compensate ? 1 : numberOf("iters"),
    compensate,
    unsigned: flagOf("unsigned"),
    precision: "float32",
  });
  return {
    scheme: { linears: scheme },
    calibrationWindows: rank > 0 && scheme.iterations > 1 || smooth !== null ? windows : 0,
  };
};
