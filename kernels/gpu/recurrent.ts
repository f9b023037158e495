/** The operations of state-space layers as dispatches. */
import type { Device, DeviceBuffer } from "../device.ts";
import { kernels } from "./kernels.ts";
import type { Recorder } from "./recorder.ts";
import type { Views } from "./views.ts";

/** A short convolution. */
export function runConvolution(
  recorder: Recorder,
  views: Views,
  ...[x, kernel, bias, y, { tokens, channels, taps }]: Parameters<Device["shortConvolution"]>
): void {
  const open = (argument: string, buffer: DeviceBuffer) => views.whole("shortConvolution", argument, buffer);
  const taken = open("kernel", kernel), count = tokens * channels;
  recorder.dispatch(
    kernels.shortConvolution,
    { x: open("x", x), kernel: taken, bias: bias ? open("bias", bias) : taken, y: open("y", y) },
    { count, channels, taps, has_bias: Number(bias !== null) },
    Math.ceil(count / 256),
  );
}

/** A selective scan. */
export function runScan(
  recorder: Recorder,
  views: Views,
  ...[operands, state, y, { tokens, channels, states }]: Parameters<Device["scan"]>
): void {
  const { x, step, input, output, decay, skip } = operands;
  const buffers = { x, width: step, input, output, decay, skip, state, y };
  const bound = Object.fromEntries(
    Object.entries(buffers).map(([name, one]) => [name, views.whole("scan", name, one)]),
  );
  recorder.dispatch(kernels.scan, bound, { tokens, channels, states }, Math.ceil(channels / 256));
}

/** Columns of a matrix of `columns` columns. */
export function runTakeColumns(
  recorder: Recorder,
  views: Views,
  columns: number,
  ...[x, y, rows, first, count]: Parameters<Device["takeColumns"]>
): void {
  const open = (argument: string, buffer: DeviceBuffer) => views.whole("takeColumns", argument, buffer);
  const total = rows * count;
  recorder.dispatch(
    kernels.takeColumns,
    { x: open("x", x), y: open("y", y) },
    { total, columns, first, count },
    Math.ceil(total / 256),
  );
}
