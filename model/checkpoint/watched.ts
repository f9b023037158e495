/** Which tensors of a checkpoint nobody asked for. */
import type { Checkpoint } from "./checkpoint.ts";

/** A checkpoint that keeps in mind whose shapes were asked for: a model asks for each of its parameters before it reads one. */
export interface Watched {
  /** The checkpoint. */
  readonly checkpoint: Checkpoint;
  /** Names of the tensors that were not asked for so far. */
  readonly unused: () => string[];
}

/** Watches a checkpoint. */
export function watched(checkpoint: Checkpoint): Watched {
  const asked = new Set<string>();
  return {
    checkpoint: {
      ...checkpoint,
      requireShape(name, shape) {
        asked.add(name);
        checkpoint.requireShape(name, shape);
      },
    },
    unused: () => checkpoint.names().filter((name) => !asked.has(name)),
  };
}
