/**
 * `quantbook/model`, for those who read or change models: readers of files, parts of an architecture, what acts inside a pass.
 *
 * @module
 */
export type { FilePath } from "../base/file.ts";
export type { JsonObject } from "../base/json.ts";
export type {
  Experts,
  FusedRows,
  HeadNorms,
  LinearNames,
  NormNames,
  Positions,
  RotaryScaling,
  StateSpace,
} from "./architecture.ts";
export type { Checkpoint } from "./checkpoint/checkpoint.ts";
export { ModelConfig, type NumberOptions } from "./checkpoint/config.ts";
export { readConfig } from "./checkpoint/read_config.ts";
export type { TensorStorage, Weights } from "./checkpoint/weights.ts";
export type { AttentionCall, CacheFactory, KeyValueCache } from "./decoder/cache.ts";
export type {
  LoadedExpert,
  LoadedExperts,
  LoadedHeadNorms,
  LoadedLayer,
  LoadedNorm,
  LoadedStateSpace,
  PassContext,
} from "./decoder/context.ts";
export type { Intervention, LinearInput, Operand, ScoreOperand } from "./decoder/intervention.ts";
export type { Linear, Parameter, StoredWeight } from "./decoder/parameter.ts";
export type { ModelParameters, Table } from "./decoder/parameters.ts";
export type { Dtype, StoredDtype, TensorData, UndecodedDtype } from "./files/dtype.ts";
export type { CheckpointErrorCode } from "./files/error.ts";
export type { Generator } from "./generate.ts";
export { type GgufArray, readGguf } from "./gguf/file.ts";
export type { OnlineRotations } from "./decoder/rotation.ts";
export type { Changes } from "./model.ts";
export { type RawTensor, readSafetensors, writeSafetensors } from "./safetensors.ts";
export { renderChatSpans } from "./tokenizer/chat.ts";
export { type Rendered, TemplateError, type TemplateErrorCode } from "./tokenizer/jinja.ts";
export { loadTokenizer } from "./tokenizer/tokenizer.ts";
export type { ChatPart, ChatTokenizer } from "./tokenizer/chat.ts";
