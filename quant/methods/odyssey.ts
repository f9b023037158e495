/**
 * OdysseyLLM: 4-bit weights with one symmetric scale per row, so that a kernel needs nothing but integers: the nibble is put into the upper half
 * of a byte, which is 16 times the code, int8 is multiplied with int8, and the 16 is divided out with the scale. What a single scale per row
 * loses is won back by clipping that is learned and by GPTQ on the clipped grid.
 *
 * Source: Li et al., "A Speed Odyssey for Deployable Quantization of LLMs", 2023 (arXiv 2311.09550), sections 4.2 (symmetric LWC, GPTQ) and 4.3
 * (FastGEMM). No code is public: this is our reading of the text, as is the implementation that it is compared with; what the text leaves
 * open (objective, optimizer, steps) is as there. Activations are quantized per token beside it:
 * `activations: rtn({ bits: 8, granularity: "token", symmetric: true })`.
 */
import type { Device } from "../../kernels/device.ts";
import type { UniformQuantizer } from "../../kernels/quantizer.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { hessianOf } from "../compensation/hessian.ts";
import { onDevice } from "../compensation/steps.ts";
import { SchemeError } from "../error.ts";
import { encode } from "../grids/uniform.ts";
import type { InputStatistics, Matrix, MethodWith, WeightMethod } from "../method.ts";
import { flag, integer, number, oneOf, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { gptq, gptqSteps } from "./gptq.ts";
import { learnClipping } from "./odyssey/clipping.ts";

/** OdysseyLLM as data. */
export interface Odyssey extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "odyssey";
  /** Always 4: the nibble of a byte. */
  readonly bits: 4;
  /** Whether clipping is learned (LWC), or a row's scale covers its range. */
  readonly clipping: "learned" | "none";
  /** Whether errors are compensated column by column (GPTQ), or each weight goes to its nearest code. */
  readonly compensation: boolean;
  /** Steps in which clipping is learned. */
  readonly steps: number;
  /** Of these steps. */
  readonly learningRate: number;
  /** Logit that every clipping starts with. */
  readonly start: number;
  /** Share of the mean diagonal that is added to the Hessian's diagonal. */
  readonly percdamp: number;
}

/** Options of {@linkcode odyssey}. */
export type OdysseyOptions = Partial<Omit<Odyssey, keyof SuiteScheme>>;

/** What {@linkcode odyssey} accepts. */
export const odysseyOptions: OptionTable<Odyssey> = {
  bits: oneOf([4], 4),
  clipping: oneOf(["learned", "none"], "learned"),
  compensation: flag(true),
  steps: integer(0, 100000, 100),
  learningRate: number(0, 10, 0.01),
  start: number(-20, 20, 4),
  percdamp: number(0, 10, 0.01),
};

/**
 * Per-row 4-bit weights, clipped and compensated.
 *
 * @example
 * ```ts
 * import { odyssey, rtn, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme: Scheme = { weights: odyssey(), activations: rtn({ bits: 8, granularity: "token", symmetric: true }) };
 * assertEquals(odyssey().steps, 100);
 * ```
 */
export function odyssey(options: OdysseyOptions = {}): Odyssey {
  return readOptions<Odyssey>("odyssey", odysseyOptions, options);
}

/**
 * The bytes that FastGEMM multiplies: codes -8 to 7 in the upper nibble, `-128` to `112`. Their products with int8 are 16 times those of the
 * codes, in int32 exactly while `inputs * 127 * 128 < 2^31`.
 */
export function upperNibbles(codes: Int8Array): Int8Array {
  return codes.map((code) => code << 4);
}

/** One quantizer per row, of codes from -8 to 7. */
async function rowGrid(
  weight: Matrix,
  input: InputStatistics,
  scheme: Odyssey,
  device: Device,
): Promise<UniformQuantizer[]> {
  const settings = scheme.clipping === "learned" ? scheme : { ...scheme, steps: 0, start: Infinity };
  const { scales } = await learnClipping(weight, input, settings, device);
  return Array.from(scales, (scale) => ({ scale: Math.fround(scale), zero: 0, lowest: -8, highest: 7 }));
}

/** Quantizes one weight `[out, in]` given what its input was. */
export async function odysseyWeight(
  weight: Matrix,
  input: InputStatistics,
  scheme: Odyssey,
  device: Device,
): Promise<UniformWeight> {
  const { rows, columns, data } = weight, grid = await rowGrid(weight, input, scheme, device);
  if (scheme.compensation) {
    const own = gptq({ bits: 4, symmetric: true, percdamp: scheme.percdamp });
    return (await onDevice(device, gptqSteps(weight, hessianOf(input), own, undefined, grid))).weight;
  }
  const codes = Uint8Array.from(data, (w, i) => encode(w, grid[Math.floor(i / columns)]) + 8);
  const scales = Float32Array.from(grid, ({ scale }) => scale);
  return new UniformWeight({ shape: [rows, columns], bits: 4, groupSize: columns, codes, scales, zeros: 8 });
}

const weights: WeightMethod<Odyssey> = {
  needs: "gram",
  async quantize(weight, scheme, place, input, device): Promise<StoredWeight> {
    if (input === null) {
      throw new SchemeError("calibration", `odyssey: no input statistics for ${place.name}`);
    }
    return await odysseyWeight(weight, input, scheme, device);
  },
};

/** OdysseyLLM, for the registry. */
export const odysseyMethod: MethodWith<{ weights: WeightMethod<Odyssey> }> = {
  name: "odyssey",
  paper: {
    title: "A Speed Odyssey for Deployable Quantization of LLMs",
    authors: "Li et al. 2023",
    link: "https://arxiv.org/abs/2311.09550",
  },
  options: odysseyOptions,
  cost: { passes: ({ clipping, steps }: Odyssey) => clipping === "learned" ? steps + 1 : 1 },
  parse: (options) => odyssey(options as unknown as OdysseyOptions),
  weights,
};
