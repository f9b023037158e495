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
export { defaultDevice } from "./kernels/default.ts";
export { cpuDevice } from "./kernels/cpu/device.ts";
export { gpuDevice, type GpuOptions } from "./kernels/gpu/device.ts";
export { nativeDevice } from "./kernels/native/device.ts";
export { referenceDevice } from "./kernels/reference.ts";
export type {
  Activation,
  AttentionShape,
  CodedRows,
  Device,
  DeviceBuffer,
  DeviceGram,
  DeviceInt8Weight,
  DevicePull,
  DeviceWeight,
  GemmShape,
  PackedTokens,
  RotaryShape,
} from "./kernels/device.ts";
export type {
  Axis,
  BinaryCodes,
  BinaryFit,
  BinaryRule,
  PackedCodes,
  PackedIntegers,
  QuantizeLayout,
  SparseValues,
  UniformRule,
} from "./kernels/codes.ts";
export { DeviceError } from "./kernels/error.ts";
export { QuantbookError } from "./base/error.ts";

export type {
  Architecture,
  Experts,
  FusedRows,
  HeadNorms,
  InputSite,
  LinearNames,
  LinearRole,
  NormNames,
  Positions,
  RotaryScaling,
} from "./model/architecture.ts";
export type { Checkpoint } from "./model/checkpoint/checkpoint.ts";
export type { Weights } from "./model/checkpoint/weights.ts";
export type { AttentionCall, KeyValueCache } from "./model/decoder/cache.ts";
export { CheckpointError, type CheckpointErrorCode } from "./model/files/error.ts";
export { ModelConfig, type NumberOptions } from "./model/checkpoint/config.ts";
export { readConfig } from "./model/checkpoint/read_config.ts";
export type { GenerateOptions } from "./model/generate.ts";
export type { HubOptions } from "./model/hub.ts";
export type { DownloadProgress } from "./model/hub/download.ts";
export { HubError } from "./model/hub/error.ts";
export type { Patience } from "./model/hub/request.ts";
export { fixtureModels, loadModel, type LoadOptions } from "./model/load.ts";
export type { Dtype, TensorData } from "./model/files/dtype.ts";
export type {
  LoadedExpert,
  LoadedExperts,
  LoadedHeadNorms,
  LoadedLayer,
  LoadedNorm,
  PassContext,
} from "./model/decoder/context.ts";
export { modelTypes } from "./model/families.ts";
export type { Intervention, LinearInput, Operand, ScoreOperand } from "./model/decoder/intervention.ts";
export type { JsonObject } from "./base/json.ts";
export type { CacheFactory, Changes, Model } from "./model/model.ts";
export { ModelError } from "./model/error.ts";
export { type Linear, type Parameter } from "./model/decoder/parameter.ts";
export { type RawTensor, readSafetensors, writeSafetensors } from "./model/safetensors.ts";
export { type GgufArray, readGguf } from "./model/gguf/file.ts";
export { type ChatMessage, renderChat } from "./model/tokenizer/chat.ts";
export { loadTokenizer, type Tokenizer } from "./model/tokenizer/tokenizer.ts";

export { type Awq, awq, type AwqOptions } from "./quant/methods/awq.ts";
export { type Bcq, bcq, type BcqOptions, binaryCode } from "./quant/methods/bcq.ts";
export { type BcqParts, BcqWeight } from "./quant/weights/binary.ts";
export { type Distill, distill, distillModel, type DistillOptions } from "./quant/methods/distill.ts";
export { type ExportFormat, exportFormats, exportModel, type ExportOptions } from "./quant/formats/export.ts";
export {
  type Gptq,
  gptq,
  type GptqOptions,
  type GptqResult,
  quantizeWithHessian,
} from "./quant/methods/gptq.ts";
export { type Kivi, kivi, type KiviOptions } from "./quant/methods/kivi.ts";
export { type LlmInt8, llmInt8, type LlmInt8Options } from "./quant/methods/llmint8.ts";
export { lutGemv } from "./quant/weights/lut_gemv.ts";
export {
  type Codebook,
  kMeans,
  type KMeansOptions,
  SortedSamples,
  uniformCodebook,
} from "./quant/grids/codebook.ts";
export { type KvQuant, kvquant, type KvQuantOptions } from "./quant/methods/kvquant.ts";
export type { LayerQuantizers } from "./quant/caches/kvquant.ts";
export type { Storage, Thresholds } from "./quant/caches/kvquant/rows.ts";
export { fitLayer, type Inliers, keyInliers } from "./quant/methods/kvquant/calibration.ts";
export { type LayerSamples, layerSamples, type Samples } from "./quant/methods/kvquant/samples.ts";
export type {
  InputStatistics,
  Matrix,
  Method,
  ModelMethod,
  OperandMethod,
  OperandView,
  QuantizeContext,
  Tagged,
  WeightMethod,
  WeightPlace,
} from "./quant/method.ts";
export { type OutlierShare, outlierShares } from "./quant/calibration/outlier_columns.ts";
export { bitsPerWeight, type PackedWeight } from "./quant/weights/weight.ts";
export { type UniformParts, UniformWeight } from "./quant/weights/uniform.ts";
export { type Qqq, qqq, type QqqOptions } from "./quant/methods/qqq.ts";
export { type Compensation, type QRazor, qrazor, type QRazorOptions } from "./quant/methods/qrazor.ts";
export { type RazorRule, type RazorVariant } from "./quant/grids/razor.ts";
export { type RazoredParts, RazoredWeight } from "./quant/weights/razored.ts";
export { quantize, type QuantizeOptions } from "./quant/quantize.ts";
export { type Execution, packedWeight, weightStorage } from "./quant/weights/linear.ts";
export {
  type BuiltIn,
  builtIn,
  type KvScheme,
  type KvSchemeOf,
  type LinearsScheme,
  type LinearsSchemeOf,
  type OperandScheme,
  type OperandSchemeOf,
  registerMethod,
  type TransformScheme,
  type TransformSchemeOf,
  type WeightScheme,
  type WeightSchemeOf,
} from "./quant/registry.ts";
export { type Granularity, quantizeRows, type Rtn, rtn, type RtnOptions } from "./quant/methods/rtn.ts";
export { describeScheme, parseScheme, type Scheme } from "./quant/scheme.ts";
export { SchemeError } from "./quant/error.ts";
export { type SmoothQuant, smoothQuant } from "./quant/methods/smoothquant.ts";
export { activationMaxima } from "./quant/calibration/activation_maxima.ts";
export type { BilevelRule, BilevelVector } from "./quant/weights/bilevel.ts";
export type { RealZeroQuantizer } from "./quant/grids/real_zero.ts";
export type { Precision } from "./quant/grids/precision.ts";
export type { SparseMatrix } from "./quant/weights/sparse.ts";
export { type Spqr, spqr, spqrBits, type SpqrOptions } from "./quant/methods/spqr.ts";
export { type SpqrParts, SpqrWeight } from "./quant/weights/spqr.ts";
export {
  type TokenwiseZeroQuant,
  type ZeroQuant,
  zeroQuant,
  type ZeroQuantOptions,
} from "./quant/methods/zeroquant.ts";

export {
  analyzeLayers,
  channelProfiles,
  type Distortion,
  distortionOf,
  type Distribution,
  distributionOf,
  type InputDistance,
  inputDistances,
  type LayerAnalysis,
} from "./eval/metrics/analysis.ts";
export {
  chat,
  ChatError,
  type ChatOptions,
  chatPrompt,
  type ChatReply,
  questionTemplate,
} from "./eval/generation/chat.ts";
export {
  type Annotation,
  type Claim,
  type ClaimColumn,
  ClaimError,
  type ClaimTable,
  errata,
  type Erratum,
  type ErratumKind,
  loadClaims,
  type PublishedRow,
  type PublishedTable,
  publishedTable,
  recomputedClaims,
  type Setting,
} from "./eval/claims.ts";
export { commandOfClaim, schemeOfClaim } from "./eval/claims/scheme.ts";
export { taskOfClaim } from "./eval/claims/task.ts";
export { type Finding, findings } from "./eval/claims/errata/findings.ts";
export { corpus, type CorpusOptions, type CorpusWindows, type Split } from "./eval/corpus.ts";
export { CorpusError, type TokenWindows } from "./eval/windows.ts";
export { type DistillRun, distillRuns, distillScheme } from "./eval/oracle/schemes/distill.ts";
export { type Divergence, divergence, Reference, type WindowDivergence } from "./eval/metrics/divergence.ts";
export { firstLayerProblems, type LayerProblem, outputError } from "./eval/oracle/problems.ts";
export { gptqSchemes, referenceGptq } from "./eval/oracle/schemes/gptq.ts";
export { kvquantSchemes } from "./eval/oracle/schemes/kvquant.ts";
export { measure, type Measurement } from "./eval/metrics/measure.ts";
export {
  needle,
  type NeedleCell,
  NeedleError,
  type NeedleOptions,
  type NeedlePrompt,
  needlePrompt,
  type NeedleResult,
  type NeedleTrial,
  publishedKeys,
} from "./eval/generation/needle.ts";
export {
  compareWithOracle,
  oracle,
  type OracleAgreement,
  OracleError,
  type OracleResult,
  oracleWindows,
} from "./eval/oracle.ts";
export { type PairedDifference, pairedDifference, trend, type TrendOutcome } from "./eval/metrics/paired.ts";
export { type Perplexity, perplexity } from "./eval/metrics/perplexity.ts";
export { type QRazorRun, referenceQRazor } from "./eval/oracle/schemes/qrazor.ts";
export { legacyScheme } from "./eval/oracle/schemes/nearest.ts";
export { ResultsError } from "./eval/store/contract.ts";
export { sweep } from "./eval/sweep.ts";
export { type Cell, type Row, type SweepOptions } from "./eval/sweep/cell.ts";
export { type ClaimCell, claimCells } from "./eval/claims/grid.ts";
export { type Cost, type DeviceProfile, loadProfile, predictCost } from "./eval/cost.ts";
export {
  formatManifest,
  type Manifest,
  parseManifest,
  type PlannedCell,
  SweepError,
} from "./eval/sweep/manifest.ts";
export { type Merged, mergeResults, type SweepStatus, sweepStatus } from "./eval/sweep/merge.ts";
export { planSweeps, type SweepPlan } from "./eval/sweep/plan.ts";
export { publishedArchitecture } from "./eval/claims/models.ts";
export { type Failure, type RunOptions, runShard } from "./eval/sweep/run.ts";
export type { Shard } from "./eval/sweep/shard.ts";
export type { Texts } from "./eval/cost/work.ts";
export { type Accuracy, type TaskRow, taskSweep, type TaskSweepOptions } from "./eval/sweep/tasks.ts";
export {
  adjustPValues,
  type BootstrapDifference,
  pairedBootstrap,
  type PairedTest,
  pairedTest,
  pooledStandardError,
  StatisticsError,
} from "./eval/statistics.ts";
export { compareTasks } from "./eval/tasks/compare.ts";
export { TaskError } from "./eval/tasks/error.ts";
export { evaluateTask, type TaskData, type TaskOptions } from "./eval/tasks/evaluate.ts";
export { choiceTasks, taskNames } from "./eval/tasks/registry.ts";
export type {
  ChoiceRecord,
  CommonExample,
  GenerationRecord,
  RollingRecord,
  ScoredChoice,
  TaskExample,
  TaskResult,
} from "./eval/tasks/result.ts";
