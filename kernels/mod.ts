/**
 * `quantbook/kernels`, for those who compute: the operations of a device, the forms of quantized data, the plain twin.
 *
 * @module
 */
export type {
  Axis,
  BinaryCodes,
  BinaryFit,
  BinaryRule,
  PackedCodes,
  PackedIntegers,
  QuantizeLayout,
  SparseValues,
  TableCodes,
  UniformRule,
} from "./codes.ts";
export type {
  Activation,
  AttentionShape,
  CodedRows,
  ConvolutionShape,
  DeviceBuffer,
  DeviceGram,
  DeviceInt8Weight,
  DevicePull,
  DeviceWeight,
  GemmShape,
  HadamardShape,
  PackedTokens,
  RotaryShape,
  ScanOperands,
  ScanShape,
} from "./device.ts";
export { referenceDevice } from "./reference.ts";
export { type SelfCheck, selfCheck } from "./self_check.ts";
