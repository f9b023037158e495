/** Which tensors of a checkpoint nobody asked for. */
import type { Checkpoint } from "./checkpoint.ts";

/** A checkpoint that keeps in mind whose shapes were asked for: a model asks for each of its parameters before it reads one. */
export interface Watched {
  /** The checkpoint. */
  readonly checkpoint: Checkpoint;
  /** Names of the tensors that were not asked for so far. */
  readonly unused: () => string[];
}

/** Buffers of old checkpoints, which are computed anew. */
const buffers = /(rotary_emb\.inv_freq|attn\.(masked_)?bias|attention\.(masked_)?bias|position_ids)$/;

/** Watches a checkpoint. Its notices name what is left over when they are asked for. */
export function watched(checkpoint: Checkpoint): Watched {
  const asked = new Set<string>();
  const unused = () => checkpoint.names().filter((name) => !asked.has(name));
  return {
    checkpoint: {
      ...checkpoint,
      get notices() {
        return [...checkpoint.notices, ...leftOver(checkpoint.directory, unused())];
      },
      requireShape(name, shape) {
        asked.add(name);
        checkpoint.requireShape(name, shape);
      },
    },
    unused,
  };
}

/** A sentence for each part of a model whose tensors were not used. */
function leftOver(source: string, names: readonly string[]): string[] {
  const parts = new Map<string, string[]>();
  for (const name of names.filter((one) => !buffers.test(one))) {
    const part = name.slice(0, name.indexOf(".") + 1);
    parts.set(part, [...parts.get(part) ?? [], name]);
  }
  return [...parts.values()].map(([first, ...others]) =>
    `${source}: tensor "${first}"${
      others.length === 0 ? " is" : ` and ${others.length} others of that part are`
    } not known here and not used`
  );
}
