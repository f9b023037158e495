/**
 * The rounding that files ask for as a model runs, in compressed-tensors' float32 operations: inputs of linear layers, keys and values.
 *
 *     s = absmax / (range / 2),    x^ = (clamp(round(x / s + z)) - z) s
 *
 * with `range` 255 of 8-bit integers: the absmax is 127.5 steps, not 127 as round to nearest elsewhere here has it.
 */
import { roundHalfEven } from "../../kernels/round.ts";
import { type JsonObject, own } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import { checkFields } from "../../base/fields.ts";
import { CheckpointError } from "../../model/files/error.ts";
import type { InputRule } from "../formats/source.ts";
import { absMax, type BlockRule, roundBlocks } from "../grids/blocks.ts";
import { decodeFloat, exponentOf, floatEncoder, floatFormats, floatValues } from "../grids/float.ts";
import { fp8Rule } from "../methods/fp8.ts";
import { mx, mxRule } from "../methods/mx.ts";

/** Rounds a matrix in place. */
export type Rounder = (data: Float32Array, rows: number) => void;

const fields = {
  used: ["num_bits", "type", "symmetric", "strategy", "group_size", "dynamic", "scale_dtype", "powers"],
  harmless: ["observer", "observer_kwargs", "zp_dtype"],
  refused: { actorder: [], block_structure: [] },
};

const f32 = Math.fround;

/**
 * The rounding that settings ask for of rows of so many `columns`; `where` names what is rounded, for messages.
 *
 * @throws {CheckpointError} `config` for settings that are not done here
 */
export function rounderOf(rule: InputRule, where: string, columns: number): Rounder {
  const { settings } = rule;
  const refuse = (message: string): never => {
    throw new CheckpointError(
      "config",
      `${message} (the option activations: "float" leaves inputs and caches in full precision)`,
    );
  };
  const [unknown] = checkFields(where, settings, fields, refuse);
  if (unknown !== undefined) refuse(unknown);
  const { bits, isFloat, size, dynamic } = read(settings, where, refuse);
  if (typeof size === "number" && columns % size !== 0) {
    refuse(`${where}: groups of ${size} do not divide ${columns} features`);
  }
  const width = size === "row" ? columns : size === "all" ? Infinity : size;
  if (!isFloat) return integers(rule, bits, width, dynamic !== false);
  if (own(settings, "symmetric") === false) {
    refuse(`${where}: floats that are not symmetric are not rounded here`);
  }
  const element = bits === 4
    ? "e2m1"
    : bits === 6
    ? "e2m3"
    : bits === 8
    ? "e4m3"
    : refuse(`${where}: floats of ${bits} bits`);
  const blocks = (ruleOf: (block: BlockRule["block"]) => BlockRule): Rounder => (data, rows) =>
    roundBlocks(data, { rows, columns }, ruleOf([size === "all" ? Infinity : 1, width]));
  const scaleType = String(own(settings, "scale_dtype") ?? "");
  if (dynamic === true && size === 32 && /uint8$/.test(scaleType)) {
    return blocks(() => mxRule(mx({ element, scaleRule: "compressedTensors" })));
  }
  if (bits === 4 && dynamic === "local" && size === 16 && rule.scale !== undefined) {
    const { scale } = rule;
    return blocks((block) => twoLevels(block, scale));
  }
  if (bits !== 8 || scaleType !== "") return refuse(`${where}: ${show(settings)} is not done here`);
  if (dynamic === true) {
    return blocks((block) =>
      own(settings, "powers") === true ? powersOf(fp8Rule("e4m3", block)) : fp8Rule("e4m3", block)
    );
  }
  const { scale = NaN } = rule;
  return blocks((block) => fixed(block, scale));
}

interface Settings {
  readonly bits: number;
  readonly isFloat: boolean;
  /** Consecutive features that share a scale: so many, a token's, or all. */
  readonly size: number | "row" | "all";
  readonly dynamic: boolean | "local";
}

function read(settings: JsonObject, where: string, refuse: (message: string) => never): Settings {
  const bits = Number(own(settings, "num_bits")),
    type = own(settings, "type"),
    strategy = own(settings, "strategy");
  const groupSize = Number(own(settings, "group_size")), dynamic = own(settings, "dynamic") ?? false;
  const grouped = strategy === "group" || strategy === "tensor_group";
  const size = grouped ? groupSize : strategy === "token" ? "row" : strategy === "tensor" ? "all" : undefined;
  const isDynamic = dynamic === true || dynamic === false || dynamic === "local";
  const isKnown = (type === "int" || type === "float") && Number.isInteger(bits) && bits >= 2 && bits <= 8 &&
    (!grouped || groupSize > 0) && (dynamic !== false || size === "all");
  if (size === undefined || !isDynamic || !isKnown) {
    return refuse(`${where}: ${show(settings)} is not done here`);
  }
  return { bits, isFloat: type === "float", size, dynamic };
}

/** E4M3 with a scale that the file fixes. */
function fixed(block: BlockRule["block"], scale: number): BlockRule {
  const round = floatEncoder(floatFormats.e4m3);
  return {
    bits: 8,
    values: floatValues(floatFormats.e4m3),
    block,
    fit: () => ({ scale, encode: (x) => round(f32(x / scale)) }),
  };
}

/** Scales rounded up to powers of two, as DeepSeek-V3.1 has them (`scale_fmt: "ue8m0"`). */
function powersOf(rule: BlockRule): BlockRule {
  const round = floatEncoder(floatFormats.e4m3);
  return {
    ...rule,
    fit(values) {
      const { scale: own } = rule.fit(values), exponent = exponentOf(own), floor = 2 ** exponent;
      const scale = own === floor ? floor : 2 * floor;
      return { scale, encode: (x) => round(x / scale) };
    },
  };
}

/** NVFP4 whose tensor has a scale that the file fixes; scales of blocks that round to 0 become 0.125. */
function twoLevels(block: BlockRule["block"], globalScale: number): BlockRule {
  const { e4m3, e2m1 } = floatFormats, toScale = floatEncoder(e4m3), toElement = floatEncoder(e2m1);
  return {
    bits: 4,
    values: floatValues(e2m1),
    block,
    fit(values) {
      const share = f32(globalScale * f32(absMax(values) / 6));
      const scale = f32((decodeFloat(toScale(share), e4m3) || 0.125) / globalScale);
      return { scale, encode: (x) => toElement(f32(x / scale)) };
    },
  };
}

/** Integers, with or without a zero point; the range always holds 0. */
function integers(
  { settings, scale: given = NaN, zero: givenZero = 0 }: InputRule,
  bits: number,
  width: number,
  dynamic: boolean,
): Rounder {
  const low = -(2 ** (bits - 1)), high = -low - 1, range = high - low;
  const clamp = (code: number) => Math.min(Math.max(code, low), high);
  const symmetric = own(settings, "symmetric") !== false;
  const fit = (values: Float32Array): readonly [scale: number, zero: number] => {
    if (!dynamic) return [given, givenZero];
    let least = 0, most = 0;
    for (const x of values) {
      if (x < least) least = x;
      if (x > most) most = x;
    }
    // 2^-23: what the library takes for the scale of zeros.
    if (symmetric) return [f32(Math.max(-least, most) / (range / 2)) || 2 ** -23, 0];
    const scale = f32(f32(most - least) / range);
    if (scale === 0) return [2 ** -23, 0];
    return [scale, roundHalfEven(clamp(f32(low - f32(least / scale))))];
  };
  return (data) => {
    const size = Math.min(width, data.length);
    for (let start = 0; start < data.length; start += size) {
      const part = data.subarray(start, start + size), [scale, zero] = fit(part);
      for (let i = 0; i < part.length; i++) {
        part[i] = (roundHalfEven(clamp(f32(f32(part[i] / scale) + zero))) - zero) * scale;
      }
    }
  };
}
