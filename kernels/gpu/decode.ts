/** Rows of codes, decoded on the GPU. */
import type { Device } from "../device.ts";
import { kernels } from "./kernels.ts";
import type { Recorder } from "./recorder.ts";
import type { Views } from "./views.ts";

/** Decodes rows `[first, first + count)` into `y`. */
export function runDecode(
  recorder: Recorder,
  views: Views,
  ...[rows, y, first, count]: Parameters<Device["decode"]>
): void {
  const { words, codebook, scales, starts, entries, bits, width } = rows;
  const bound = Object.fromEntries(
    Object.entries({ words, codebook, scales, starts, entries, y })
      .map(([name, buffer]) => [name, views.whole("decode", name, buffer)]),
  );
  const parameters = { first, count, width, bits, per_row: Number(rows.perRow), nothing: 0 };
  recorder.dispatch(kernels.decode, bound, parameters, count);
}
