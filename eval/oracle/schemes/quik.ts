/** Runs of QUIK's original code (`IST-DASLab/QUIK` `experiments/fake_quant/llama.py`) by their command lines. */
import { show } from "../../../base/show.ts";
import { quik, type QuikOptions } from "../../../quant/methods/quik.ts";
import type { Override, Scheme } from "../../../quant/scheme.ts";
import { OracleError } from "../error.ts";
import type { GoldenReader } from "./golden.ts";

/** Arguments and what they are when absent; flags are false. */
const numbers = { w_bits: 16, a_bits: 16, fp_features: 0, fp_threshold: 0, percdamp: 0.01 } as const;
const flags = ["fp_relative", "w_clip", "w_asym", "int8_down_proj"] as const;

type Numbers = Record<keyof typeof numbers, number>;
type Flags = Record<typeof flags[number], boolean>;

/** Stored windows that its maxima are taken of; compensation had the first 16 unless a result says otherwise. */
const maximaWindows = 32, compensationWindows = 16;

/** `{ args: "--w_bits 4 --a_bits 4 --fp_features 16 --w_clip", nsamples: 16 }`; 16 bits are float. */
export const readQuik: GoldenReader = ({ id, config, model }) => {
  const refused = (reason: string) => new OracleError("id", `${id}: ${reason}`);
  const { args = "", nsamples = compensationWindows, ...rest } = config;
  const [other] = Object.keys(rest);
  if (other !== undefined) throw refused(`its setting ${other} is not known: expected args, nsamples`);
  if (typeof args !== "string" || typeof nsamples !== "number") {
    throw refused(
      `args, nsamples are ${show(args)}, ${show(nsamples)}: expected a command line and a number`,
    );
  }
  if (model === "opt") throw refused("the original's driver for OPT was not run: expected a Llama");
  const given = parseArguments(args, refused);
  const { w_bits, a_bits, fp_features, fp_threshold, fp_relative, w_clip, w_asym, percdamp } = given;
  const columns: QuikOptions = { kept: fp_features, relative: fp_relative };
  const weightsOf = (bits: number, threshold: number) =>
    quik({
      ...columns,
      bits,
      threshold,
      symmetric: !w_asym,
      search: w_clip ? "mse" : "none",
      percdamp,
      compensationWindows: nsamples,
      precision: "float32",
    });
  const inputsOf = (bits: number, threshold: number) => quik({ ...columns, bits, threshold });
  const down: Override = {
    linears: ["down"],
    ...w_bits < 16 && { weights: weightsOf(8, 2 * fp_threshold) },
    ...a_bits < 16 && { activations: inputsOf(8, 2 * fp_threshold) },
  };
  const scheme: Scheme = {
    ...w_bits < 16 && { weights: weightsOf(w_bits, fp_threshold) },
    ...a_bits < 16 && { activations: inputsOf(a_bits, fp_threshold) },
    ...given.int8_down_proj && (w_bits < 16 || a_bits < 16) && { overrides: [down] },
  };
  return { scheme, calibrationWindows: w_bits < 16 || (a_bits < 16 && fp_features > 0) ? maximaWindows : 0 };
};

function parseArguments(line: string, refused: (reason: string) => OracleError): Numbers & Flags {
  const words = line.split(/\s+/).filter((word) => word !== "");
  const given: Numbers & Flags = {
    ...numbers,
    ...Object.fromEntries(flags.map((name) => [name, false])) as Flags,
  };
  for (let i = 0; i < words.length; i++) {
    const name = words[i].replace(/^--/, "");
    const flag = flags.find((one) => one === name);
    if (flag !== undefined) given[flag] = true;
    else if (Object.hasOwn(numbers, name)) {
      const value = Number(words[++i]);
      if (!Number.isFinite(value)) throw refused(`${name} is ${show(words[i])}: expected a number`);
      given[name as keyof Numbers] = value;
    } else {
      const known = [...Object.keys(numbers), ...flags].join(", ");
      throw refused(`its argument ${name} is not known: expected ${known}`);
    }
  }
  for (const name of ["w_bits", "a_bits"] as const) {
    if (![4, 8, 16].includes(given[name])) throw refused(`${name} is ${given[name]}: expected 4, 8 or 16`);
  }
  return given;
}
