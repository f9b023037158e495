/**
 * Runs of GPTAQ's repository (`Intelligent-Computing-Lab-Yale/GPTAQ` `fake_quant`) by their own arguments: its GPTAQ, its GPTQ, its round
 * to nearest, its rotation alone.
 */
import { gptaq } from "../../../quant/methods/gptaq.ts";
import { rtn } from "../../../quant/methods/rtn.ts";
import type { WeightScheme } from "../../../quant/registry.ts";
import type { Override, Scheme } from "../../../quant/scheme.ts";
import { type GoldenReader, unknownId } from "./golden.ts";
import { Arguments, quantizedInputs, rotations } from "./rotation.ts";

/** `main.py`'s arguments with `alpha` and `blocksize`, which it takes from `fasterquant`. */
export const gptaqRun: GoldenReader = (result) => {
  if (result.method === "none" && Object.keys(result.config).length === 0) {
    return { scheme: {}, calibrationWindows: 0 };
  }
  if (result.config.asym_calibrate === undefined) {
    throw unknownId(result, "a run of GPTAQ's repository, its arguments with asym_calibrate");
  }
  const args = new Arguments(result), wbits = args.number("w_bits", 16), abits = args.number("a_bits", 16);
  for (const name of ["v_bits", "k_bits"]) {
    if (args.number(name, 16) === 16) continue;
    throw args.refused(
      `${name} is not 16: its caches are rounded while inputs are taken, those here only afterwards`,
    );
  }
  args.ignore("fp32_had", "enable_aq_calibration");
  for (const letter of ["k", "v"]) {
    args.ignore(`${letter}_groupsize`, `${letter}_asym`, `${letter}_clip_ratio`);
  }
  const rotate = args.flag("rotate"), weights = weightsOf(args, wbits), inputs = quantizedInputs(args, abits);
  // Its fusion takes the mean from the embedding whatever the norm.
  const transforms = rotate ? rotations(args, true, true) : {};
  if (!rotate) args.ignore("rotate_mode");
  const down: Override = {
    linears: ["down"],
    ...wbits < 16 && { weights: weightsOf(args, 8) },
    ...quantizedInputs(args, abits < 16 ? 8 : 16),
  };
  const scheme: Scheme = {
    ...transforms,
    ...weights && { weights },
    ...inputs,
    ...args.flag("int8_down_proj") && (wbits < 16 || abits < 16) && { overrides: [down] },
  };
  const windows = args.number("nsamples", 128);
  args.requireAllRead();
  return { scheme, calibrationWindows: weights?.method === "gptaq" ? windows : 0 };
};

function weightsOf(args: Arguments, bits: number): WeightScheme | undefined {
  const symmetric = !args.flag("w_asym"), search = args.flag("w_clip") ? "mse" : "none";
  const groupSize = args.number("w_groupsize", -1), actOrder = args.flag("act_order");
  const drifts = args.flag("asym_calibrate"), isStatic = args.flag("static_groups");
  const alpha = args.number("alpha", 0.25), blockSize = args.number("blocksize", 128);
  const percdamp = args.number("percdamp", 0.01), rounds = args.flag("w_rtn");
  const roundedInputs = args.flag("enable_aq_calibration");
  if (bits === 16) return undefined;
  if (rounds) return rtn({ bits, symmetric, search, ...groupSize > 0 && { groupSize } });
  return gptaq({
    bits,
    symmetric,
    search,
    groupSize,
    actOrder,
    percdamp,
    blockSize,
    roundedInputs,
    groupStatistics: "block-start",
    // Its GPTQ has no drift to make good, copies the Hessian for each linear layer, and has no static groups.
    alpha: drifts ? alpha : 0,
    damping: drifts && !actOrder ? "accumulated" : "once",
    staticGroups: drifts && isStatic,
  });
}
