/** Linear layers on the GPU: which kernel multiplies which weight. */

import type { DeviceBuffer } from "../device.ts";
import { GpuBinaryWeight, lookUp } from "./binary.ts";
import { kernels } from "./kernels.ts";
import type { Recorder } from "./recorder.ts";
import type { Memory } from "./storage.ts";
import { tiling } from "./tiles.ts";
import type { Views } from "./views.ts";
import { type GpuLinearWeight, GpuPackedWeight, GpuWeight, type PartProduct } from "./weights.ts";

/** Rows that the vector products handle: the weight is read once for all of them. */
const fewRows = 4;

/** `y = x W^T + bias`. */
export function runLinear(
  recorder: Recorder,
  views: Views,
  memory: Memory,
  operands: { x: DeviceBuffer; weight: GpuLinearWeight; bias: DeviceBuffer | null; y: DeviceBuffer },
  rows: number,
): void {
  const { x, weight, bias: offset, y } = operands;
  const { outFeatures, inFeatures, parts } = weight;
  const buffers = weight.open(memory, "linear", "weight");
  const bias = offset && views.whole("linear", "bias", offset);
  for (const { first, count } of views.windows(rows, Math.max(inFeatures, outFeatures))) {
    const rows = {
      x: views.part("linear", "x", x, first * inFeatures, count * inFeatures),
      y: views.part("linear", "y", y, first * outFeatures, count * outFeatures),
      bias,
      count,
    };
    for (const [i, part] of parts.entries()) {
      const product = { ...rows, weight, part, right: weight.bindings(buffers, i) };
      if (count > fewRows) runMany(recorder, product);
      else if (weight instanceof GpuBinaryWeight) lookUp(recorder, memory, { ...product, weight });
      else runFew(recorder, product);
      if (weight instanceof GpuPackedWeight && weight.sparse) addOutliers(recorder, product);
    }
  }
}

function runFew(recorder: Recorder, { weight, part, right, x, y, bias, count }: PartProduct): void {
  const dense = weight instanceof GpuWeight;
  recorder.dispatch(
    weight.vectorProduct,
    { ...right, x, y, bias: bias ?? x },
    {
      k: weight.inFeatures,
      n: part.count,
      stride: part.stride,
      y_row: weight.outFeatures,
      y_first: part.first,
      has_bias: Number(bias !== null),
      rows: count,
    },
    Math.ceil(part.count / (dense ? 128 : 32)),
    { several: Number(count > 1), ...weight.constants },
  );
}

function addOutliers(recorder: Recorder, { weight, part, right, x, y, count }: PartProduct): void {
  recorder.dispatch(
    kernels.sparseProduct,
    { ...right, x, y },
    {
      rows: count,
      n: part.count,
      k: weight.inFeatures,
      y_row: weight.outFeatures,
      y_first: part.first,
    },
    count * part.count,
  );
}

function runMany(recorder: Recorder, { weight, part, right, x, y, bias, count }: PartProduct): void {
  const { groups, constants } = tiling(recorder.tiles, count, part.count);
  recorder.dispatch(
    weight.product,
    { ...right, a: x, c: y, bias: bias ?? x },
    {
      m: count,
      n: part.count,
      k: weight.inFeatures,
      a_row: weight.inFeatures,
      a_column: 1,
      b_row: part.stride,
      b_column: 1,
      c_row: weight.outFeatures,
      c_first: part.first,
      has_bias: Number(bias !== null),
      alpha: 1,
      beta: 0,
    },
    groups,
    { ...weight.constants, ...constants },
  );
}
