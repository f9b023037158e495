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
  DeviceBuffer,
  DeviceGram,
  DeviceInt8Weight,
  DevicePull,
  DeviceWeight,
  GemmShape,
  HadamardShape,
  PackedTokens,
  RotaryShape,
} from "./device.ts";
export { referenceDevice } from "./reference.ts";
