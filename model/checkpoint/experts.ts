/**
 * Experts that lie in one tensor: transformers 5 keeps the matrices of all experts of a layer together, `gate_up_proj`
 * `[experts, 2 width, hidden]` with the rows of gate before those of up, and `down_proj` `[experts, hidden, width]`. Its files usually have
 * one matrix an expert; with `save_original_format=False` they have these.
 */
import { CheckpointError } from "../files/error.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** The names that a model asks for; `{layer}` and `{expert}` stand for their indexes. */
export interface ExpertNames {
  /** Experts of a layer. */
  readonly count: number;
  /** Width of an expert. */
  readonly intermediateSize: number;
  /** Name of the router's weight. */
  readonly router: string;
  /** Names of an expert's weights. */
  readonly linears: Readonly<Record<"gate" | "up" | "down", { readonly weight: string }>>;
}

/** Rows of one expert's matrix in the tensor of all: the whole of it for `down`. */
interface View {
  readonly tensor: string;
  readonly expert: number;
  readonly start: number;
  readonly rows: number;
}

/** The checkpoint with a matrix for each expert, where it holds those of a layer together. */
export function withSeparateExperts(
  checkpoint: Checkpoint,
  { count, intermediateSize, router, linears }: ExpertNames,
  layers: number,
): Checkpoint {
  const views = new Map<string, View>(), routers = new Map<string, string>();
  for (let layer = 0; layer < layers; layer++) {
    const block = `model.layers.${layer}.mlp`, both = `${block}.experts.gate_up_proj`;
    if (!checkpoint.has(both)) continue;
    const down = `${block}.experts.down_proj`, width = intermediateSize, hidden = checkpoint.shape(both)[2];
    checkpoint.requireShape(both, [count, 2 * width, hidden]);
    checkpoint.requireShape(down, [count, hidden, width]);
    for (let expert = 0; expert < count; expert++) {
      const name = (role: "gate" | "up" | "down") =>
        linears[role].weight.replace("{layer}", String(layer)).replace("{expert}", String(expert));
      views.set(name("gate"), { tensor: both, expert, start: 0, rows: width });
      views.set(name("up"), { tensor: both, expert, start: width, rows: width });
      views.set(name("down"), { tensor: down, expert, start: 0, rows: hidden });
    }
    routers.set(router.replace("{layer}", String(layer)), `${block}.gate.weight`);
  }
  if (views.size === 0) return checkpoint;
  const stored = (name: string) => routers.get(name) ?? name;
  const taken = new Set([...views.values().map(({ tensor }) => tensor), ...routers.values()]);
  const shape = (name: string) => {
    const view = views.get(name);
    return view === undefined
      ? checkpoint.shape(stored(name))
      : [view.rows, checkpoint.shape(view.tensor)[2]];
  };
  const rowsOf = async ({ tensor, expert, start }: View, first: number, rows: number) => {
    const columns = checkpoint.shape(tensor)[2];
    const all = await checkpoint.tensorRows(tensor, expert, 1);
    return all.slice((start + first) * columns, (start + first + rows) * columns);
  };
  return {
    ...checkpoint,
    names: () => [
      ...checkpoint.names().filter((name) => !taken.has(name)),
      ...views.keys(),
      ...routers.keys(),
    ],
    has: (name) => views.has(name) || checkpoint.has(stored(name)),
    shape,
    dtype: (name) => checkpoint.dtype(views.get(name)?.tensor ?? stored(name)),
    storage: (name) => {
      const view = views.get(name);
      if (view === undefined) return checkpoint.storage(stored(name));
      const { format, bytes } = checkpoint.storage(view.tensor),
        [experts, rows] = checkpoint.shape(view.tensor);
      return { format, bytes: bytes * view.rows / (experts * rows) };
    },
    requireShape: (name, expected) => {
      if (!views.has(name)) return checkpoint.requireShape(stored(name), expected);
      if (shape(name).join() === expected.join()) return;
      throw new CheckpointError(
        "shape",
        `tensor "${name}" has shape [${shape(name)}], expected [${expected}]`,
      );
    },
    tensor: (name) => {
      const view = views.get(name);
      return view === undefined ? checkpoint.tensor(stored(name)) : rowsOf(view, 0, view.rows);
    },
    tensorRows: (name, start, rows) => {
      const view = views.get(name);
      return view === undefined
        ? checkpoint.tensorRows(stored(name), start, rows)
        : rowsOf(view, start, rows);
    },
  };
}
