/**
 * quantbook: quantization of language models, small enough to read next to the papers.
 *
 * @example
 * ```ts
 * import { corpus, loadModel, perplexity, quantize, rtn, smoothQuant } from "quantbook";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama-outlier");
 * const text = await corpus("sotu", { split: "test", windows: 2, length: 256 });
 * using quantized = await quantize(model, {
 *   transforms: [smoothQuant({ alpha: 0.55 })],
 *   weights: rtn({ bits: 6 }),
 *   activations: rtn({ bits: 6, granularity: "token" }),
 * }, { calibration: await corpus("sotu", { split: "train", windows: 4, length: 256, seed: 0 }) });
 * const { value, standardError } = await perplexity(quantized, text);
 * assert(value > 1 && standardError > 0);
 * ```
 *
 * @module
 */
export { QuantbookError } from "./base/error.ts";

export { cpuDevice } from "./kernels/cpu/device.ts";
export { defaultDevice } from "./kernels/default.ts";
export type { Device } from "./kernels/device.ts";
export { DeviceError } from "./kernels/error.ts";
export { gpuDevice, type GpuOptions } from "./kernels/gpu/device.ts";
export { nativeDevice } from "./kernels/native/device.ts";

export type { Architecture, InputSite, LinearRole } from "./model/architecture.ts";
export { ModelError } from "./model/error.ts";
export { modelTypes } from "./model/families.ts";
export { CheckpointError } from "./model/files/error.ts";
export type { GenerateOptions } from "./model/generate.ts";
export type { HubOptions } from "./model/hub.ts";
export type { DownloadProgress } from "./model/hub/download.ts";
export { HubError } from "./model/hub/error.ts";
export type { Patience } from "./model/hub/request.ts";
export { fixtureModels } from "./model/load.ts";
export type { Model } from "./model/model.ts";
export { readGguf } from "./model/gguf/file.ts";
export { readSafetensors, writeSafetensors } from "./model/safetensors.ts";
export { type ChatMessage, renderChat, type RenderChatOptions } from "./model/tokenizer/chat.ts";
export { loadTokenizer, type Tokenizer } from "./model/tokenizer/tokenizer.ts";

export { SchemeError } from "./quant/error.ts";
export { type ExportFormat, exportFormats, exportModel, type ExportOptions } from "./quant/formats/export.ts";
export { abq } from "./quant/methods/abq.ts";
export { affine } from "./quant/methods/affine.ts";
export { awq } from "./quant/methods/awq.ts";
export { bcq } from "./quant/methods/bcq.ts";
export { crossQuant } from "./quant/methods/crossquant.ts";
export { dgq } from "./quant/methods/dgq.ts";
export { distill } from "./quant/methods/distill.ts";
export { fp8 } from "./quant/methods/fp8.ts";
export { fptq } from "./quant/methods/fptq.ts";
export { gptaq } from "./quant/methods/gptaq.ts";
export { gptq } from "./quant/methods/gptq.ts";
export { hqq } from "./quant/methods/hqq.ts";
export { kivi } from "./quant/methods/kivi.ts";
export { kvquant } from "./quant/methods/kvquant.ts";
export { llmFp4 } from "./quant/methods/llmfp4.ts";
export { llmInt8 } from "./quant/methods/llmint8.ts";
export { magnitude } from "./quant/methods/magnitude.ts";
export { mx } from "./quant/methods/mx.ts";
export { nf4 } from "./quant/methods/nf4.ts";
export { nvfp4 } from "./quant/methods/nvfp4.ts";
export { obq } from "./quant/methods/obq.ts";
export { obs } from "./quant/methods/obs.ts";
export { odyssey } from "./quant/methods/odyssey.ts";
export { omniquant } from "./quant/methods/omniquant.ts";
export { ptq161 } from "./quant/methods/ptq161.ts";
export { qqq } from "./quant/methods/qqq.ts";
export { qrazor } from "./quant/methods/qrazor.ts";
export { quarot } from "./quant/methods/quarot.ts";
export { quik } from "./quant/methods/quik.ts";
export { rtn } from "./quant/methods/rtn.ts";
export { slimLlm } from "./quant/methods/slimllm.ts";
export { smoothQuant } from "./quant/methods/smoothquant.ts";
export { sparseGpt } from "./quant/methods/sparsegpt.ts";
export { spinquant } from "./quant/methods/spinquant.ts";
export { spqr } from "./quant/methods/spqr.ts";
export { svdQuant } from "./quant/methods/svdquant.ts";
export { wanda } from "./quant/methods/wanda.ts";
export { zeroQuant } from "./quant/methods/zeroquant.ts";
export type { Method, WeightMethod } from "./quant/method.ts";
export type { Tagged } from "./quant/options.ts";
export { registerMethod } from "./quant/registry.ts";
export { quantize, type QuantizeOptions } from "./quant/quantize.ts";
export {
  describeScheme,
  type HeadScheme,
  type OperandSite,
  type Override,
  parseScheme,
  type Scheme,
} from "./quant/scheme.ts";
export { loadModel, type LoadOptions } from "./quant/published/load.ts";
export { type Execution, weightStorage } from "./quant/weights/linear.ts";
export { UniformWeight } from "./quant/weights/uniform.ts";

export { corpus, type CorpusOptions, type CorpusWindows, type Split } from "./eval/corpus.ts";
export { chat, type ChatOptions, type ChatReply } from "./eval/generation/chat.ts";
export { type Divergence, divergence } from "./eval/metrics/divergence.ts";
export { measure, type Measurement } from "./eval/metrics/measure.ts";
export { type PairedDifference, pairedDifference, trend, type TrendOutcome } from "./eval/metrics/paired.ts";
export { type Perplexity, perplexity } from "./eval/metrics/perplexity.ts";
export type { PairedTest } from "./eval/statistics.ts";
export { ResultsError } from "./eval/store/contract.ts";
export { sweep } from "./eval/sweep.ts";
export type { Cell, Row, SweepOptions } from "./eval/sweep/cell.ts";
export { type TaskRow, taskSweep, type TaskSweepOptions } from "./eval/sweep/tasks.ts";
export { compareTasks } from "./eval/tasks/compare.ts";
export { TaskError } from "./eval/tasks/error.ts";
export { evaluateTask, type TaskOptions } from "./eval/tasks/evaluate.ts";
export { choiceTasks, taskNames } from "./eval/tasks/registry.ts";
export type { TaskResult } from "./eval/tasks/result.ts";
export type { HarnessVersion } from "./eval/tasks/task.ts";
export { CorpusError, type TokenWindows } from "./eval/windows.ts";
