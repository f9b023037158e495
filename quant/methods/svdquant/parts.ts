/** What rounds a branch's rest and the inputs that it is multiplied with: schemes of other methods. */
import { show } from "../../../base/show.ts";
import { SchemeError } from "../../error.ts";
import type { Matrix, OperandMethod, WeightMethod } from "../../method.ts";
import { type Option, refused, type Tagged } from "../../options.ts";
import { tableWeight } from "../../weights/table.ts";
import { type Gptq, gptq, gptqMethod, type GptqOptions } from "../gptq.ts";
import { blockGridRule } from "../gptq/blocks.ts";
import { type Mx, mx, mxMethod } from "../mx.ts";
import { type Nvfp4, nvfp4, nvfp4Method } from "../nvfp4.ts";
import { quantizeRows, type Rtn, rtn, rtnMethod } from "../rtn.ts";

/** What weights are rounded by. */
export type Residual = Rtn<"tensor" | "channel" | "group"> | Gptq | Mx | Nvfp4;
/** What inputs are rounded by. */
export type RoundedInput = Rtn<"tensor" | "token" | "group"> | Mx | Nvfp4;

/** Groups of 64 with codes from -7 to 7, the paper's for weights and inputs. */
const groups64 = { bits: 4, groupSize: 64, symmetric: true, codes: "narrow" } as const;

const residualExpected = "a scheme of rtn (tensor, channel or group), gptq, mx or nvfp4, not calibrated";
const inputExpected = "a scheme of rtn (tensor, token or group), mx or nvfp4, not calibrated";

/** A {@linkcode Residual}, or what JSON has of it. */
export const residualOption: Option<Residual> = {
  expected: residualExpected,
  fallback: rtn(groups64),
  read(name, value) {
    if (tagOf(value) === "gptq") return gptq(value as GptqOptions);
    const read = common(value), granularity = read?.method === "rtn" ? read.granularity : "channel";
    if (read === undefined || granularity === "token" || granularity === "dimension") {
      throw refused(name, value, residualExpected);
    }
    return read as Residual;
  },
};

/** A {@linkcode RoundedInput}, or what JSON has of it. */
export const inputsOption: Option<RoundedInput> = {
  expected: inputExpected,
  fallback: rtn(groups64),
  read(name, value) {
    const read = common(value), granularity = read?.method === "rtn" ? read.granularity : "token";
    if (read === undefined || granularity === "channel" || granularity === "dimension") {
      throw refused(name, value, inputExpected);
    }
    return read as RoundedInput;
  },
};

function tagOf(value: unknown): unknown {
  return (Object(value) as Partial<Tagged>).method;
}

function common(value: unknown): Rtn | Mx | Nvfp4 | undefined {
  switch (tagOf(value)) {
    case "rtn":
      return rtn(value as Rtn);
    case "mx":
      return mx(value as Mx);
    case "nvfp4": {
      const read = nvfp4(value as Nvfp4);
      return read.tensorScale === "calibrated" ? undefined : read;
    }
  }
}

/** The method of a residual. */
export function residualMethod({ method }: Residual): WeightMethod<never> {
  return { rtn: rtnMethod, gptq: gptqMethod, mx: mxMethod, nvfp4: nvfp4Method }[method].weights;
}

/** The method of inputs. */
export function inputMethod({ method }: RoundedInput): OperandMethod<never> {
  return { rtn: rtnMethod, mx: mxMethod, nvfp4: nvfp4Method }[method].operand;
}

/** The values of a matrix on a residual's grid, without compensation. */
export function plainOf(scheme: Residual, matrix: Matrix): Float32Array {
  switch (scheme.method) {
    case "rtn":
      return quantizeRows(matrix, scheme).dequantize();
    case "gptq": {
      if (scheme.grid !== undefined) {
        return tableWeight(matrix, blockGridRule(scheme.grid, matrix)).dequantize();
      }
      const { bits, groupSize, symmetric, codes } = scheme, search = scheme.search === "mse" ? "mse" : "none";
      return quantizeRows(matrix, rtn({ bits, groupSize, symmetric, codes, search })).dequantize();
    }
    case "mx":
      return tableWeight(matrix, blockGridRule(scheme, matrix)).dequantize();
    case "nvfp4":
      return tableWeight(matrix, blockGridRule(scheme, matrix)).dequantize();
  }
}

/** Refuses groups that do not divide the columns of a linear layer; blocks of small floats may be shorter at the end. */
export function requireGroups(part: Residual | RoundedInput | null, columns: number, name: string): void {
  const size = part?.method === "rtn" || part?.method === "gptq" ? part.groupSize : undefined;
  if (size === undefined || columns % size === 0) return;
  throw new SchemeError(
    "shape",
    `svdQuant: groupSize ${show(size)} does not divide ${columns} input features of ${name}`,
  );
}
