/**
 * `quantbook/eval`, for those who measure more: analysis, statistics, retrieval, costs, sweeps on many machines.
 *
 * @module
 */
export { type Advice, advise, Advisor } from "./advisor/advise.ts";
export { allocate, type Allocation, type Choice } from "./advisor/allocate.ts";
export { type Budget, readBudget } from "./advisor/budget.ts";
export { readCandidates, type WeightChoice } from "./advisor/candidates.ts";
export { AdvisorError } from "./advisor/error.ts";
export { type Assignment, schemeOfAssignments } from "./advisor/mixture.ts";
export type { AdviseOptions, AdvisorOptions } from "./advisor/options.ts";
export type { Proof, TestedDifference, UnseenMeans } from "./advisor/proof.ts";
export type { Entrant, Mixture } from "./advisor/run.ts";
export { type ScoreName, scoreNames, type Sensitivity } from "./advisor/scores/sensitivity.ts";
export { type Candidate, compare, type Comparison } from "./compare.ts";
export type { Clusters, Estimated, EstimatedMean, Interval } from "./compare/clusters.ts";
export type { Difference } from "./compare/differences.ts";
export { CompareError } from "./compare/error.ts";
export type { ComparedModel } from "./compare/models.ts";
export type { NoiseKind } from "./compare/noise.ts";
export type { CompareOptions } from "./compare/options.ts";
export type { Bucket, CandidateSummary, DivergenceDistribution } from "./compare/summary.ts";
export { type Cost, CostError, type DeviceProfile, loadProfile, predictCost } from "./cost.ts";
export type { WindowLengths } from "./cost/work.ts";
export { type ChatData, ChatError, chatPrompt, questionTemplate } from "./generation/chat.ts";
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
} from "./generation/needle.ts";
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
} from "./metrics/analysis.ts";
export { assess, type Assessment, type AssessOptions, type QuantizedAssessment } from "./metrics/assess.ts";
export { type Certified, certify } from "./metrics/certificate.ts";
export { FloatPredictions, type WindowDivergence } from "./metrics/divergence.ts";
export { makeReceipt, type ReceiptRun } from "./receipt.ts";
export { ReceiptError } from "./receipt/error.ts";
export type {
  ModelClaim,
  Receipt,
  ReceiptBody,
  ReceiptText,
  RowClaim,
  TextClaim,
  ValueClaim,
  WindowClaim,
} from "./receipt/receipt.ts";
export {
  type AskedTask,
  type DocumentClaim,
  makeTaskReceipt,
  type TaskReceipt,
  type TaskReceiptBody,
  type TaskReceiptRun,
} from "./receipt/task.ts";
export type { ReceiptProblem } from "./receipt/findings.ts";
export { verifyReceipt } from "./receipt/verify.ts";
export type { Verification, VerifyOptions } from "./receipt/verify/windows.ts";
export {
  adjustPValues,
  type BootstrapDifference,
  pairedBootstrap,
  pairedTest,
  pooledStandardError,
  signTest,
  StatisticsError,
} from "./statistics.ts";
export {
  formatManifest,
  type Manifest,
  parseManifest,
  type PlannedCell,
  SweepError,
} from "./sweep/manifest.ts";
export { type Merged, mergeResults, type SweepStatus, sweepStatus } from "./sweep/merge.ts";
export { planSweeps, type SweepPlan } from "./sweep/plan.ts";
export { type Failure, type RunOptions, runShard } from "./sweep/run.ts";
export type { Shard } from "./sweep/shard.ts";
export type { Accuracy } from "./sweep/tasks.ts";
export type { TaskData } from "./tasks/evaluate.ts";
export { everyEvalRecord, type EveryEvalRun } from "./tasks/files/every_eval.ts";
export {
  checkEveryEval,
  type EveryEvalProblems,
  type EveryEvalRecord,
} from "./tasks/files/every_eval_check.ts";
export { type HarnessFiles, harnessFiles, type HarnessRun } from "./tasks/files/harness.ts";
export type {
  ChoiceRecord,
  CommonExample,
  GenerationRecord,
  RollingRecord,
  ScoredChoice,
  TaskExample,
} from "./tasks/result.ts";
