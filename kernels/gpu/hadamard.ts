/** The Hadamard transform in passes: butterflies over what fits into a workgroup's memory, then the matrix that is doubled. */
import type { HadamardShape } from "../device.ts";
import { hadamardMatrix, hadamardPlan, hadamardScale } from "../host/hadamard.ts";
import { kernels } from "./kernels.ts";
import type { Recorder, View } from "./recorder.ts";

/** Values of a workgroup's tile (`hadamard.wgsl`). */
const tile = 4096;
/** Neighbouring vectors that a workgroup takes at once where elements lie apart. */
const mostLanes = 64;

const tables = new WeakMap<GPUDevice, Map<number, GPUBuffer>>();

/** The matrix of an order as float32: a constant of the kernels, made once for each GPU. */
function table(gpu: GPUDevice, order: number): GPUBuffer {
  const known = tables.get(gpu) ?? new Map<number, GPUBuffer>();
  tables.set(gpu, known);
  const found = known.get(order);
  if (found !== undefined) return found;
  const signs = hadamardMatrix(order);
  const size = 4 * signs.length;
  const made = gpu.createBuffer({ size, usage: GPUBufferUsage.STORAGE, mappedAtCreation: true });
  new Float32Array(made.getMappedRange()).set(signs);
  made.unmap();
  known.set(order, made);
  return made;
}

/** Transforms the rows that `x` shows. */
export function runHadamard(recorder: Recorder, x: View, shape: HadamardShape): void {
  const { rows, size, stride = 1, transposed = false } = shape;
  const plan = hadamardPlan(size), { order, doubled } = plan, factor = hadamardScale(plan);
  const pass = (length: number, apart: number, scale: number, dense: boolean) => {
    const lanes = Math.min(apart, mostLanes, Math.floor(tile / length));
    const chunks = Math.ceil(apart / lanes), groups = rows * size / length / apart * stride * chunks;
    const parameters = { groups, size: length, stride: apart, lanes, chunks, scale };
    if (!dense) return recorder.dispatch(kernels.hadamard, { x }, parameters, groups);
    const signs = { buffer: table(recorder.device, order) };
    const flag = { transposed: Number(transposed) };
    recorder.dispatch(kernels.hadamardTable, { x, signs }, { ...parameters, ...flag }, groups);
  };
  // With one element a pass is the factor alone.
  for (let done = 1; done < doubled || (done === 1 && order === 1);) {
    const length = Math.min(tile, doubled / done), last = done * length === doubled && order === 1;
    pass(length, done * stride, last ? factor : 1, false);
    if (done * length === doubled) break;
    done *= length;
  }
  if (order > 1) pass(order, doubled * stride, factor, true);
}
