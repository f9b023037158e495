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
export type { Checkpoint } from "./model/checkpoint.ts";
export type { Weights } from "./model/weights.ts";
export type { AttentionCall, KeyValueCache } from "./model/cache.ts";
export { CheckpointError, type CheckpointErrorCode } from "./model/checkpoint_error.ts";
export { ModelConfig, type NumberOptions } from "./model/config.ts";
export { readConfig } from "./model/checkpoint/read_config.ts";
export type { GenerateOptions } from "./model/generate.ts";
export type { HubOptions } from "./model/hub.ts";
export type { DownloadProgress } from "./model/hub_download.ts";
export { HubError } from "./model/hub_error.ts";
export type { Patience } from "./model/hub_request.ts";
export { fixtureModels, loadModel, type LoadOptions } from "./model/load.ts";
export type { Dtype, TensorData } from "./model/dtype.ts";
export type {
  LoadedExpert,
  LoadedExperts,
  LoadedHeadNorms,
  LoadedLayer,
  LoadedNorm,
  PassContext,
} from "./model/decoder/context.ts";
export { modelTypes } from "./model/families.ts";
export type { Intervention, LinearInput, Operand, ScoreOperand } from "./model/intervention.ts";
export type { JsonObject } from "./model/json.ts";
export type { CacheFactory, Changes, Model } from "./model/model.ts";
export { ModelError } from "./model/model_error.ts";
export { type Linear, type Parameter } from "./model/parameter.ts";
export { type RawTensor, readSafetensors, writeSafetensors } from "./model/safetensors.ts";
export { type GgufArray, readGguf } from "./model/gguf.ts";
export { type ChatMessage, renderChat } from "./model/chat.ts";
export { loadTokenizer, type Tokenizer } from "./model/tokenizer.ts";

export { type Awq, awq, type AwqOptions } from "./quant/awq.ts";
export { type Bcq, bcq, type BcqOptions, binaryCode } from "./quant/bcq.ts";
export { type BcqParts, BcqWeight } from "./quant/bcq_weight.ts";
export { type Distill, distill, distillModel, type DistillOptions } from "./quant/distill.ts";
export { type ExportFormat, exportFormats, exportModel, type ExportOptions } from "./quant/export.ts";
export { type Gptq, gptq, type GptqOptions, type GptqResult, quantizeWithHessian } from "./quant/gptq.ts";
export { type Kivi, kivi, type KiviOptions } from "./quant/kivi.ts";
export { type LlmInt8, llmInt8, type LlmInt8Options } from "./quant/llmint8.ts";
export { lutGemv } from "./quant/lut_gemv.ts";
export {
  type Codebook,
  kMeans,
  type KMeansOptions,
  SortedSamples,
  uniformCodebook,
} from "./quant/codebook.ts";
export { type KvQuant, kvquant, type KvQuantOptions } from "./quant/kvquant.ts";
export type { LayerQuantizers } from "./quant/kvquant_cache.ts";
export type { Storage, Thresholds } from "./quant/quantized_rows.ts";
export { fitLayer, type Inliers, keyInliers } from "./quant/kvquant_calibration.ts";
export { type LayerSamples, layerSamples, type Samples } from "./quant/kvquant_samples.ts";
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
export { type OutlierShare, outlierShares } from "./quant/outlier_columns.ts";
export { bitsPerWeight, type PackedWeight } from "./quant/packed.ts";
export { type UniformParts, UniformWeight } from "./quant/weights/uniform.ts";
export { type Qqq, qqq, type QqqOptions } from "./quant/qqq.ts";
export { type Compensation, type QRazor, qrazor, type QRazorOptions } from "./quant/qrazor.ts";
export { type RazorRule, type RazorVariant } from "./quant/razor.ts";
export { type RazoredParts, RazoredWeight } from "./quant/razored_weight.ts";
export { quantize, type QuantizeOptions } from "./quant/quantize.ts";
export { type Execution, packedWeight, weightStorage } from "./quant/quantized_linear.ts";
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
export { type Granularity, quantizeRows, type Rtn, rtn, type RtnOptions } from "./quant/rtn.ts";
export { describeScheme, parseScheme, type Scheme } from "./quant/scheme.ts";
export { SchemeError } from "./quant/scheme_error.ts";
export { type SmoothQuant, smoothQuant } from "./quant/smoothquant.ts";
export { activationMaxima } from "./quant/calibration/activation_maxima.ts";
export type { BilevelRule, BilevelVector } from "./quant/bilevel.ts";
export type { RealZeroQuantizer } from "./quant/grids/real_zero.ts";
export type { Precision } from "./quant/grids/precision.ts";
export type { SparseMatrix } from "./quant/sparse.ts";
export { type Spqr, spqr, spqrBits, type SpqrOptions } from "./quant/spqr.ts";
export { type SpqrParts, SpqrWeight } from "./quant/spqr_weight.ts";
export {
  type TokenwiseZeroQuant,
  type ZeroQuant,
  zeroQuant,
  type ZeroQuantOptions,
} from "./quant/zeroquant.ts";

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
} from "./eval/analysis.ts";
export {
  chat,
  ChatError,
  type ChatOptions,
  chatPrompt,
  type ChatReply,
  questionTemplate,
} from "./eval/chat.ts";
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
export { commandOfClaim, schemeOfClaim } from "./eval/claim_scheme.ts";
export { taskOfClaim } from "./eval/claim_task.ts";
export { type Finding, findings } from "./eval/errata/findings.ts";
export { corpus, type CorpusOptions, type CorpusWindows, type Split } from "./eval/corpus.ts";
export { CorpusError, type TokenWindows } from "./eval/windows.ts";
export { type DistillRun, distillRuns, distillScheme } from "./eval/distill_reference.ts";
export { type Divergence, divergence, Reference, type WindowDivergence } from "./eval/divergence.ts";
export { firstLayerProblems, type LayerProblem, outputError } from "./eval/gptq_layers.ts";
export { gptqSchemes, referenceGptq } from "./eval/gptq_reference.ts";
export { kvquantSchemes } from "./eval/kvquant_reference.ts";
export { measure, type Measurement } from "./eval/measure.ts";
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
} from "./eval/needle.ts";
export {
  compareWithOracle,
  oracle,
  type OracleAgreement,
  OracleError,
  type OracleResult,
  oracleWindows,
} from "./eval/oracle.ts";
export { type PairedDifference, pairedDifference, trend, type TrendOutcome } from "./eval/paired.ts";
export { type Perplexity, perplexity } from "./eval/perplexity.ts";
export { type QRazorRun, referenceQRazor } from "./eval/qrazor_reference.ts";
export { legacyScheme } from "./eval/reference_schemes.ts";
export { ResultsError } from "./eval/store/contract.ts";
export { sweep } from "./eval/sweep.ts";
export { type Cell, type Row, type SweepOptions } from "./eval/sweep/cell.ts";
export { type ClaimCell, claimCells } from "./eval/sweep/claims_grid.ts";
export { type Cost, type DeviceProfile, loadProfile, predictCost } from "./eval/sweep/cost.ts";
export {
  formatManifest,
  type Manifest,
  parseManifest,
  type PlannedCell,
  SweepError,
} from "./eval/sweep/manifest.ts";
export { type Merged, mergeResults, type SweepStatus, sweepStatus } from "./eval/sweep/merge.ts";
export { planSweeps, type SweepPlan } from "./eval/sweep/plan.ts";
export { publishedArchitecture } from "./eval/sweep/published_models.ts";
export { type Failure, type RunOptions, runShard } from "./eval/sweep/run.ts";
export type { Shard } from "./eval/sweep/shard.ts";
export type { Texts } from "./eval/sweep/work.ts";
export { type Accuracy, type TaskRow, taskSweep, type TaskSweepOptions } from "./eval/task_sweep.ts";
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
