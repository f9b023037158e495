/** Codes that stand for numbers. */
import type { Checkpoint } from "../../model/checkpoint/checkpoint.ts";
import { CheckpointError } from "../../model/files/error.ts";

/**
 * Refuses codes that stand for no number.
 *
 * @throws {CheckpointError} `nan`
 */
export function requireNumbers(
  checkpoint: Checkpoint,
  name: string,
  codes: Uint8Array,
  values: Float32Array,
): void {
  const wrong = codes.findIndex((code) => !Number.isFinite(values[code]));
  if (wrong < 0) return;
  throw new CheckpointError(
    "nan",
    `${checkpoint.directory}: tensor "${name}" is ${
      values[codes[wrong]]
    } at element ${wrong}: expected finite numbers`,
  );
}
