/** `quantbook export`: a model in the files of other runtimes, as it is or with a scheme. */
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
import type { Verb } from "./verb.ts";

/** The verb. */
export const verb: Verb = {
  about:
    "Writes a model for llama.cpp (gguf), ONNX Runtime and transformers.js (onnx) or vLLM (gptq, marlin, compressed-tensors): as it is, or " +
    "as a scheme makes it.",
  words: [modelWord],
  options: [
    { flags: "--out DIR", about: "directory that is written" },
    formatOption,
    ...schemeOptions,
    ...calibrationOptions,
    resumeOption,
    ...cardOptions,
    ...textOptions,
    ...modelOptions,
  ],
  examples: [
    "quantbook export fixture:llama --format gguf --out plain",
    "quantbook export fixture:llama --format onnx --out onnx --weights rtn:8:g32",
  ],
  async run(call) {
    const out = call.required("out", "exported");
    const { schemeOf } = await import("./model_options.ts");
    const { writeModel } = await import("./write_model.ts");
    return await writeModel(call, await schemeOf(call), out);
  },
};
