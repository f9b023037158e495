/**
 * The names that a checkpoint gives its tensors: those of a whole language model, of a base model, or of the text model in a multimodal
 * one; and the one matrix of a tied model, which may have either name.
 */
import { CheckpointError } from "../files/error.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** Names of the output projection beside the parts of a base model. */
const heads = ["lm_head.weight", "embed_out.weight"];

/** What stands in files in place of a whole model's first part: nothing in a base model, the others in multimodal models. */
const prefixes = ["", "language_model.model.", "model.language_model.", "model.text_model."];

/** The checkpoint with other names; those that `stored` does not change keep theirs. */
function renamed(
  checkpoint: Checkpoint,
  names: readonly string[],
  stored: (name: string) => string,
): Checkpoint {
  return {
    ...checkpoint,
    names: () => [...names],
    has: (name) => checkpoint.has(stored(name)),
    shape: (name) => checkpoint.shape(stored(name)),
    dtype: (name) => checkpoint.dtype(stored(name)),
    storage: (name) => checkpoint.storage(stored(name)),
    requireShape: (name, shape) => checkpoint.requireShape(stored(name), shape),
    tensor: (name) => checkpoint.tensor(stored(name)),
    tensorRows: (name, start, count) => checkpoint.tensorRows(stored(name), start, count),
    stored: (name) => checkpoint.stored?.(stored(name)),
  };
}

/** The checkpoint under the names of a whole language model; `example` is a name that each of its kind has. */
export function withWholeNames(checkpoint: Checkpoint, example: string): Checkpoint {
  if (checkpoint.has(example)) return checkpoint;
  const first = example.slice(0, example.indexOf(".") + 1), rest = example.slice(first.length);
  const prefix = prefixes.find((one) => checkpoint.has(one + rest));
  if (prefix === undefined) return checkpoint;
  const outer = prefix === "language_model.model." ? "language_model." : "";
  const isHead = (name: string) => /^(lm_head|embed_out)\./.test(name);
  const stored = (name: string) => {
    if (name.startsWith(first)) return prefix + name.slice(first.length);
    return isHead(name) && checkpoint.has(outer + name) ? outer + name : name;
  };
  const names = checkpoint.names().map((name) => {
    if (isHead(name)) return name;
    if (name.startsWith(prefix)) return first + name.slice(prefix.length);
    return name.startsWith(outer) && isHead(name.slice(outer.length)) ? name.slice(outer.length) : name;
  });
  return renamed(checkpoint, names, stored);
}

/** The name that an output projection of its own has: since version 5 transformers writes GPT-NeoX's under the common one. */
export function storedHead(checkpoint: Checkpoint, head: string): string {
  return head === "embed_out.weight" && !checkpoint.has(head) && checkpoint.has("lm_head.weight")
    ? "lm_head.weight"
    : head;
}

/** A checkpoint, and the name of the output projection's weight in it. */
export interface Tied {
  /** The checkpoint, with the embedding under its own name. */
  readonly checkpoint: Checkpoint;
  /** The embedding's name, unless the two differ. */
  readonly head: string;
}

/**
 * A tied model's checkpoint as transformers reads it: the one matrix has the name of the embedding or of the output projection, or it is
 * there twice; and where the two differ, the model is not tied.
 */
export async function withTiedNames(checkpoint: Checkpoint, embedding: string): Promise<Tied> {
  const head = heads.find((name) => checkpoint.has(name));
  if (head === undefined) return { checkpoint, head: embedding };
  if (!checkpoint.has(embedding)) {
    const stored = (name: string) => name === embedding ? head : name;
    const names = checkpoint.names().map((name) => name === head ? embedding : name);
    return { checkpoint: renamed(checkpoint, names, stored), head: embedding };
  }
  if (await areEqual(checkpoint, embedding, head)) {
    const names = checkpoint.names().filter((name) => name !== head);
    return { checkpoint: renamed(checkpoint, names, (name) => name), head: embedding };
  }
  const notice = `${checkpoint.directory}: tie_word_embeddings is true, but ${head} is not ${embedding}: ` +
    `both are used, as transformers does`;
  return { checkpoint: { ...checkpoint, notices: [...checkpoint.notices, notice] }, head };
}

/** Whether two matrices are the same, a part at a time. */
async function areEqual(checkpoint: Checkpoint, one: string, other: string): Promise<boolean> {
  const shape = checkpoint.shape(one);
  if (checkpoint.shape(other).join() !== shape.join()) {
    throw new CheckpointError(
      "shape",
      `${checkpoint.directory}: tensor "${other}" has shape [${
        checkpoint.shape(other)
      }], "${one}" has [${shape}]: expected the same`,
    );
  }
  const rows = shape[0] ?? 0, step = 1024;
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const left = await checkpoint.tensorRows(one, row, count);
    const right = await checkpoint.tensorRows(other, row, count);
    if (left.some((value, i) => value !== right[i])) return false;
  }
  return true;
}
