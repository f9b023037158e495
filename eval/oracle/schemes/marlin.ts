/** Runs of MARLIN's own GPTQ (`IST-DASLab/marlin` `gptq/llama2.py`) by its arguments (`golden/methods2/rotation-w4a8`). */
import { show } from "../../../base/show.ts";
import { gptq } from "../../../quant/methods/gptq.ts";
import { rtn } from "../../../quant/methods/rtn.ts";
import { OracleError } from "../error.ts";
import type { GoldenReader } from "./golden.ts";

/** `{ nsamples, groupsize, clip, nearest }`, with the code's defaults: groups of 128, clipped. */
export const readMarlin: GoldenReader = (result) => {
  const { nsamples = 128, groupsize = 128, clip = true, nearest = false, ...others } = result.config as {
    readonly nsamples?: number;
    readonly groupsize?: number;
    readonly clip?: boolean;
    readonly nearest?: boolean;
  };
  if (Object.keys(others).length > 0 || nearest && groupsize > 0 && clip) {
    throw new OracleError(
      "id",
      `${result.id}: its arguments ${show(result.config)} are not known: expected ` +
        "nsamples, groupsize, clip, nearest",
    );
  }
  const common = { bits: 4, symmetric: true, codes: "offsetBinary", groupSize: groupsize } as const;
  if (nearest) return { scheme: { weights: rtn(common) }, calibrationWindows: 0 };
  // Whole rows are never clipped.
  const search = clip && groupsize > 0 ? "compensated" : "none";
  return { scheme: { weights: gptq({ ...common, percdamp: 0.1, search }) }, calibrationWindows: nsamples };
};
