/** `quantbook quantize`: a model, quantized and written for other runtimes. */
import {
  calibrationOptions,
  cardOptions,
  formatOption,
  modelOptions,
  modelWord,
  resumeOption,
  schemeOptions,
  textOptions,
} from "./shared_options.ts";
import { UsageError } from "./command_line.ts";
import type { Verb } from "./verb.ts";

/** The verb. */
export const verb: Verb = {
  about: "Quantizes a model and writes it to a directory, with a card that says how it was made.",
  words: [modelWord],
  options: [
    ...schemeOptions,
    { flags: "--out DIR", about: "directory that is written" },
    formatOption,
    ...calibrationOptions,
    resumeOption,
    ...cardOptions,
    ...textOptions,
    ...modelOptions,
  ],
  examples: [
    "quantbook quantize fixture:llama --weights rtn:4:g32,symmetric --out small --measure --windows 2 --length 64",
    "quantbook quantize fixture:llama --weights gptq:4:g32 --format compressed-tensors --out packed --calibration-windows 4 --calibration-length 128 --resume layers",
  ],
  async run(call) {
    const out = call.required("out", "quantized");
    const { schemeOf } = await import("./model_options.ts");
    const scheme = await schemeOf(call);
    if (Object.keys(scheme).length === 0) {
      throw new UsageError(
        "a scheme is missing: expected such as --weights gptq:4:g128 (without one, quantbook export)",
      );
    }
    const { writeModel } = await import("./write_model.ts");
    return await writeModel(call, scheme, out);
  },
};
