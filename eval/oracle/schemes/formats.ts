/** Ids of the element and block formats (`golden/methods2/formats`, method `format`), and the schemes that compute them. */
import { type Fp8, fp8 } from "../../../quant/methods/fp8.ts";
import { type Mx, mx } from "../../../quant/methods/mx.ts";
import { type Nf4, nf4 } from "../../../quant/methods/nf4.ts";
import { type Nvfp4, nvfp4 } from "../../../quant/methods/nvfp4.ts";
import type { Scheme } from "../../../quant/scheme.ts";
import { type GoldenReader, type GoldenResult, unknownId } from "./golden.ts";

const families = "fp8, mxfp8, mxfp6, mxfp4, mxint8, mxint4, nvfp4 or bnb";

/** Reads `<family>...` ids: `fp8.e4m3.wa.channel-token`, `mxfp4-w.mxfp8-a.floor`, `nvfp4.w.46-mse`, `bnb.nf4.b64.dq`. */
export const readFormat: GoldenReader = (result) => {
  const parts = result.id.split("."), [family] = parts;
  if (parts[1]?.endsWith("-a")) return run(readMixed(result, parts));
  if (family === "fp8") return run(readFp8(result, parts));
  if (family === "nvfp4") return run(readNvfp4(result, parts));
  if (family === "bnb") return run(readBitsAndBytes(result, parts));
  if (mxFamilies.has(family)) return run(readMx(result, parts));
  throw unknownId(result, families);
};

/** Static ranges are those of all calibration windows. */
function run(scheme: Scheme) {
  const { activations } = scheme;
  const calibrated = activations?.method === "nvfp4" && "tensorScale" in activations &&
    activations.tensorScale === "calibrated";
  return { scheme, calibrationWindows: calibrated ? 32 : 0 };
}

/** Whether a side of an id takes activations in: `w`, `wa`, or `a` alone. */
function sides<S extends Scheme["weights"] & Scheme["activations"]>(
  result: GoldenResult,
  side: string,
  scheme: S,
): Scheme {
  if (side === "w") return { weights: scheme };
  if (side === "wa") return { weights: scheme, activations: scheme };
  if (side === "a") return { activations: scheme };
  throw unknownId(result, "w or wa");
}

const fp8Elements: Readonly<Record<string, readonly [weights: Fp8["element"], activations: Fp8["element"]]>> =
  {
    e4m3: ["e4m3", "e4m3"],
    e5m2: ["e5m2", "e5m2"],
    e4m3e5m2: ["e4m3", "e5m2"],
    e5m2e4m3: ["e5m2", "e4m3"],
  };

function readFp8(result: GoldenResult, [, elements, side, scales, ...rest]: readonly string[]): Scheme {
  const [ofWeights, ofActivations, ...more] = (scales ?? "").split("-");
  const pair = fp8Elements[elements];
  if (pair === undefined || rest.length + more.length > 0) {
    throw unknownId(result, "fp8.<element>.<side>.<scales>");
  }
  const weights = () => {
    const found = /^(tensor|channel|block|group)(\d*)$/.exec(ofWeights);
    if (!found) throw unknownId(result, "weights by tensor, channel, block128 or group128");
    const [, granularity, size] = found as unknown as [
      string,
      "tensor" | "channel" | "block" | "group",
      string,
    ];
    return fp8({ element: pair[0], granularity, ...size && { groupSize: Number(size) } });
  };
  const activations = (name: string) => {
    const found = /^(tensor|token|group)(\d*)$/.exec(name);
    if (!found) throw unknownId(result, "activations by tensor, token or group128");
    const [, granularity, size] = found as unknown as [string, "tensor" | "token" | "group", string];
    return fp8({ element: pair[1], granularity, ...size && { groupSize: Number(size) } });
  };
  if (side === "w" && ofActivations === undefined) return { weights: weights() };
  if (side === "wa" && ofActivations) return { weights: weights(), activations: activations(ofActivations) };
  if (side === "a" && ofActivations === undefined) return { activations: activations(ofWeights) };
  throw unknownId(result, "fp8.<element>.w.<weights> or fp8.<element>.wa.<weights>-<activations>");
}

/** Elements of the MX formats: of the two of 8 and of 6 bits, ids name the element; where they do not, it is the first. */
const mxFamilies: ReadonlyMap<string, readonly [Mx["element"], ...Mx["element"][]]> = new Map(
  [
    ["mxfp8", ["e4m3", "e5m2"]],
    ["mxfp6", ["e2m3", "e3m2"]],
    ["mxfp4", ["e2m1"]],
    ["mxint8", ["int8"]],
    ["mxint4", ["int4"]],
  ] as const,
);

function mxRules(result: GoldenResult, rule: string): Pick<Mx, "scaleRule" | "rounding"> {
  if (rule === "floor" || rule === "rceil" || rule === "ceil" || rule === "even") {
    return { scaleRule: rule, rounding: "even" };
  }
  if (rule === "ct") return { scaleRule: "compressedTensors", rounding: "even" };
  const microxcaling = ({ nearest: "away", even: "even", floor: "zero" } as const)[
    rule.replace(/^ms-/, "") as "nearest" | "even" | "floor"
  ];
  if (rule.startsWith("ms-") && microxcaling) return { scaleRule: "floor", rounding: microxcaling };
  throw unknownId(result, "floor, rceil, ceil, even, ct, ms-nearest, ms-even or ms-floor");
}

function readMx(result: GoldenResult, [family, ...parts]: readonly string[]): Scheme {
  const elements = mxFamilies.get(family) ?? ["e2m1"];
  const [element, side, rule, ...rest] = elements.length > 1 ? parts : [elements[0], ...parts];
  const known = elements.find((one) => one === element);
  if (known === undefined || rule === undefined || rest.length > 0) {
    throw unknownId(
      result,
      `${family}${elements.length > 1 ? `.<${elements.join("|")}>` : ""}.<side>.<rule>`,
    );
  }
  return sides(result, side, mx({ element: known, ...mxRules(result, rule) }));
}

/** `<weights>-w.<activations>-a.<rule>` */
function readMixed(result: GoldenResult, [first, second, rule, ...rest]: readonly string[]): Scheme {
  if (!first.endsWith("-w") || rule === undefined || rest.length > 0) {
    throw unknownId(result, "<format>-w.<format>-a.<rule>");
  }
  const [weights, activations] = [first, second].map((side) => side.slice(0, -2));
  const [ofWeights] = mxFamilies.get(weights) ?? [], [ofActivations] = mxFamilies.get(activations) ?? [];
  if (weights === "nvfp4" && activations === "fp8" && rule === "ct") {
    return { weights: nvfp4(), activations: fp8({ granularity: "token" }) };
  }
  if (ofWeights === undefined || ofActivations === undefined) throw unknownId(result, families);
  const rules = mxRules(result, rule);
  return {
    weights: mx({ element: ofWeights, ...rules }),
    activations: mx({ element: ofActivations, ...rules }),
  };
}

const targets: Readonly<Record<string, Nvfp4["target"]>> = {
  static_6: "six",
  static_4: "four",
  mse: "mse",
  mae: "mae",
  abs_max: "absMax",
};

function readNvfp4(result: GoldenResult, [, side, name, ...rest]: readonly string[]): Scheme {
  if (name === undefined || rest.length > 0) throw unknownId(result, "nvfp4.<side>.<library>");
  const target = targets[name.replace(/^46-/, "")];
  if (name.startsWith("46-") && target) {
    return sides(result, side, nvfp4({ arithmetic: "fourOverSix", target }));
  }
  switch (name) {
    case "ao":
    case "ao-dynamic":
      return sides(result, side, nvfp4({ arithmetic: "torchao" }));
    case "ao-single":
      return sides(result, side, nvfp4({ arithmetic: "torchao", tensorScale: "none" }));
    case "ct":
    case "ct-dynamic":
      return sides(result, side, nvfp4());
    case "ct-static":
      return {
        ...side === "wa" && { weights: nvfp4() },
        activations: nvfp4({ tensorScale: "calibrated" }),
      };
  }
  throw unknownId(result, "ao, ao-dynamic, ao-single, ct, ct-dynamic, ct-static or 46-<rule>");
}

function readBitsAndBytes(
  result: GoldenResult,
  [, table, block, double, ...rest]: readonly string[],
): Scheme {
  const blockSize = Number(/^b(\d+)$/.exec(block)?.[1]);
  const known = (["nf4", "fp4"] satisfies Nf4["table"][]).find((one) => one === table);
  if (known === undefined || !blockSize || (double !== undefined && double !== "dq") || rest.length > 0) {
    throw unknownId(result, "bnb.<nf4|fp4>.b<block>, with .dq or without");
  }
  return { weights: nf4({ table: known, blockSize, doubleQuant: double === "dq" }) };
}
