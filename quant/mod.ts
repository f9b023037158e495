/**
 * `quantbook/quant`, for those who write a method: what a method is, tables of options, stored weights, what calibration finds.
 *
 * @module
 */
export type { KiviSettings } from "./caches/kivi.ts";
export type { KvQuantCacheSettings, LayerQuantizers } from "./caches/kvquant.ts";
export type { Thresholds } from "./caches/kvquant/rows.ts";
export { activationMaxima } from "./calibration/activation_maxima.ts";
export { BoundedMemory } from "./calibration/memory.ts";
export { type OutlierShare, outlierShares } from "./calibration/outlier_columns.ts";
export {
  type Codebook,
  kMeans,
  type KMeansOptions,
  SortedSamples,
  uniformCodebook,
} from "./grids/codebook.ts";
export {
  decodeFloat,
  floatEncoder,
  type FloatFormat,
  floatFormat,
  floatFormats,
  type FloatName,
  type FloatRounding,
  floatValues,
  largestFloat,
} from "./grids/float.ts";
export type { Precision } from "./grids/precision.ts";
export type { RazorRule, RazorVariant } from "./grids/razor.ts";
export type { RealZeroQuantizer } from "./grids/real_zero.ts";
export type {
  CalibratedOperand,
  CalibratedWeights,
  CalibrationMemory,
  InputStatistics,
  LayeredOperand,
  Matrix,
  Method,
  MethodCost,
  ModelMethod,
  OperandMethod,
  OperandPlace,
  OperandView,
  Paper,
  QuantizeContext,
  SchemePart,
  Share,
  WeightMethod,
  WeightPlace,
} from "./method.ts";
export { type MarlinTensors, packMarlin, readMarlin } from "./formats/marlin.ts";
export type { Awq, AwqOptions } from "./methods/awq.ts";
export { type Bcq, type BcqOptions, binaryCode } from "./methods/bcq.ts";
export {
  type CrossCodes,
  crossCodes,
  type CrossQuant,
  type CrossQuantOptions,
  kernelFraction,
} from "./methods/crossquant.ts";
export { type Dgq, type DgqOptions, percentileFactors } from "./methods/dgq.ts";
export {
  Adam8bit,
  type Adam8bitOptions,
  type Adam8bitState,
  type BlockCodes,
  decodeBlocks,
  encodeBlocks,
} from "./gradients/adam8bit.ts";
export { AdamW, type AdamWOptions, type AdamWState } from "./gradients/adamw.ts";
export { dynamicMap } from "./grids/dynamic.ts";
export { type Svd, svd, type Values } from "./linear_algebra/svd.ts";
export { type Distill, distillModel, type DistillOptions } from "./methods/distill.ts";
export type { Training } from "./methods/distill/layer.ts";
export type { Fp8, Fp8Granularity, Fp8Options } from "./methods/fp8.ts";
export { type Fptq, type FptqOptions, logarithmicFactors } from "./methods/fptq.ts";
export { dampingOf, type Gptaq, type GptaqOptions } from "./methods/gptaq.ts";
export { type Gptq, type GptqOptions, type GptqResult, quantizeWithHessian } from "./methods/gptq.ts";
export { type Hqq, type HqqOptions, type HqqStep, solveHqq } from "./methods/hqq.ts";
export type { BlockGrid } from "./methods/gptq/blocks.ts";
export type { Kivi, KiviOptions } from "./methods/kivi.ts";
export type { KvQuant, KvQuantOptions } from "./methods/kvquant.ts";
export type { GradientStart } from "./gradients/fisher.ts";
export {
  type ClipLogits,
  type RangeRule,
  type Rounding,
  type RoundingGradient,
  roundRange,
} from "./gradients/rounding.ts";
export { fitLayer, type Inliers, keyInliers } from "./methods/kvquant/calibration.ts";
export {
  type KvQuantCalibrationSettings,
  type KvQuantSettings,
  type LayerSamples,
  layerSamples,
  type Samples,
  type SamplesStart,
} from "./methods/kvquant/samples.ts";
export type { LlmFp4, LlmFp4Options } from "./methods/llmfp4.ts";
export type { LlmInt8, LlmInt8Options } from "./methods/llmint8.ts";
export type { Magnitude } from "./methods/magnitude.ts";
export type { Mx } from "./methods/mx.ts";
export type { Nf4 } from "./methods/nf4.ts";
export type { Nvfp4 } from "./methods/nvfp4.ts";
export type { Abq, AbqOptions } from "./methods/abq.ts";
export type { Affine, AffineOptions } from "./methods/affine.ts";
export type { AffineRules } from "./methods/affine/folding.ts";
export type { OmniQuant, OmniQuantOptions } from "./methods/omniquant.ts";
export type { GivenLayer, LearnedScheme } from "./methods/omniquant/weights.ts";
export {
  type LearnedLayer,
  type LearnedRun,
  type LearningContext,
  learnOmni,
  type OmniTraining,
} from "./methods/omniquant/learning.ts";
export { type Odyssey, type OdysseyOptions, odysseyWeight, upperNibbles } from "./methods/odyssey.ts";
export type { Qqq, QqqOptions } from "./methods/qqq.ts";
export type { Compensation, QRazor, QRazorOptions } from "./methods/qrazor.ts";
export type { Quarot, QuarotOptions } from "./methods/quarot.ts";
export { keptCount, type Quik, type QuikOptions, type QuikResult, quikWithHessian } from "./methods/quik.ts";
export { type Granularity, quantizeRows, type Rtn, type RtnOptions } from "./methods/rtn.ts";
export type { SmoothQuant } from "./methods/smoothquant.ts";
export type { SparseGpt } from "./methods/sparsegpt.ts";
export type { Wanda } from "./methods/wanda.ts";
export type { GivenRotations, SpinQuant, SpinQuantOptions } from "./methods/spinquant.ts";
export {
  drawRotations,
  learnRotations,
  type LearntRotations,
  type SpinRotations,
  type SpinTraining,
} from "./methods/spinquant/training.ts";
export type { Residual, RoundedInput, Smoothing, SvdQuant, SvdQuantOptions } from "./methods/svdquant.ts";
export type { Ptq161, Ptq161Options } from "./methods/ptq161.ts";
export { type Obq, type ObqOptions, obqWithHessian } from "./methods/obq.ts";
export { type Obs, obsWithHessian } from "./methods/obs.ts";
export type { SlimLlm, SlimLlmOptions } from "./methods/slimllm.ts";
export { type Spqr, spqrBits, type SpqrOptions } from "./methods/spqr.ts";
export type { TokenwiseZeroQuant, ZeroQuant, ZeroQuantOptions } from "./methods/zeroquant.ts";
export { type Measured, type Recipe, recipeIn, recipeKey } from "./formats/recipe.ts";
export { catalogue, type CatalogueEntry, type CatalogueOption } from "./notation/catalogue.ts";
export { readPart } from "./notation/part.ts";
export { readScheme, writeScheme } from "./notation/scheme.ts";
export {
  flag,
  groupSizeOf,
  groupSizeOption,
  integer,
  listOf,
  number,
  oneOf,
  type Option,
  optional,
  type OptionTable,
  or,
  type OwnScheme,
  readOptions,
  section,
  type SuiteScheme,
  type Tagged,
} from "./options.ts";
export { resumeLimit } from "./quantize/resume.ts";
export type { Finished } from "./resumption/finished.ts";
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
  type SparsityScheme,
  type SparsitySchemeOf,
  type TransformScheme,
  type TransformSchemeOf,
  type WeightScheme,
  type WeightSchemeOf,
} from "./registry.ts";
export type { BilevelRule, BilevelVector } from "./weights/bilevel.ts";
export { type BcqParts, BcqWeight } from "./weights/binary.ts";
export { type DualGrainedParts, DualGrainedWeight } from "./weights/dual_grained.ts";
export { bitsPerWeight, storedWeight } from "./weights/linear.ts";
export { lutGemv } from "./weights/lut_gemv.ts";
export { type RealZeroParts, RealZeroWeight } from "./weights/real_zero.ts";
export { type RazoredParts, RazoredWeight } from "./weights/razored.ts";
export { type PartKind, type PartSize, type Size, type Sizes, sizes } from "./weights/sizes.ts";
export type { SparseMatrix } from "./weights/sparse.ts";
export { type KeptColumnsParts, KeptColumnsWeight } from "./weights/kept_columns.ts";
export {
  type LowRankFactors,
  type LowRankParts,
  LowRankWeight,
  type SharedParts,
} from "./weights/low_rank.ts";
export { type MixedBitsGroup, MixedBitsWeight, type StoredGroup } from "./weights/mixed_bits.ts";
export { type StructuredBinaryParts, StructuredBinaryWeight } from "./weights/structured_binary.ts";
export { SparseWeight } from "./weights/sparse_values.ts";
export type { Pattern } from "./grids/pattern.ts";
export { type SpqrParts, SpqrWeight } from "./weights/spqr.ts";
export { type TableParts, TableWeight } from "./weights/table.ts";
export { type UniformParts, UniformWeight } from "./weights/uniform.ts";
