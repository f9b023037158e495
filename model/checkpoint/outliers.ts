/**
 * Function-preserving outliers: powers of two moved from what produces a channel to what consumes it.
 *
 * The moved model computes the same function, but its activations have the outlier channels of large models. Every factor
 * is a power of two, so that multiplying and dividing weights is exact, except for float16 weights that become subnormal:
 * these are rounded move by move, as in the file that the moves were first written to (its SHA-256 is in `fixtures/models`).
 */
import { log2 } from "../../base/elementary.ts";
import { readBytes } from "../../base/file.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { CheckpointError } from "../files/error.ts";
import { fileError } from "../files/read.ts";
import { sha256Text } from "../../base/hash.ts";
import { decodeUtf8, isJsonObject, own, parseJson } from "../../base/json.ts";

/**
 * Where a move starts: a norm before a block, the keys, or the up projection; in a Mamba layer the norm, the input projection before the
 * convolution, the time step before its projection, or a number of the states.
 */
export type OutlierSite =
  | "attention_input"
  | "mlp_input"
  | "key"
  | "down_input"
  | "mixer_input"
  | "conv_input"
  | "dt_input"
  | "state";

/** One move. */
export interface OutlierMove {
  /** Decoder layer, from 0. */
  readonly layer: number;
  /** What produces the channel. */
  readonly site: OutlierSite;
  /** Channel of the site; for keys, the channel within the head. */
  readonly channel: number;
  /** Power of two that multiplies the producer and divides the consumers. */
  readonly factor: number;
  /** Key-value head, for site `key` only. */
  readonly head?: number;
}

const transformerSites: readonly OutlierSite[] = ["attention_input", "mlp_input", "key", "down_input"];
const mambaSites: readonly OutlierSite[] = ["mixer_input", "conv_input", "dt_input", "state"];
const sites: readonly string[] = [...transformerSites, ...mambaSites];

/**
 * Reads an `outliers.json`.
 *
 * @throws {CheckpointError} `missing`, `unreadable`, or `outliers` naming the entry
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const moves = await readOutliers("fixtures/models/llama-outlier/outliers.json");
 * assert(moves[0].site === "attention_input" && moves[0].factor === 16);
 * ```
 */
export async function readOutliers(path: string): Promise<OutlierMove[]> {
  let json: unknown;
  try {
    json = parseJson(decodeUtf8(await readBytes(path)));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw fileError(error, path);
    throw new CheckpointError("outliers", `${path}: ${error.message}`, { cause: error });
  }
  if (!Array.isArray(json)) throw new CheckpointError("outliers", `${path}: expected a list of moves`);
  return json.map((entry, i) => checkMove(entry, `${path}: move ${i}`));
}

function checkMove(entry: unknown, where: string): OutlierMove {
  if (!isJsonObject(entry)) throw new CheckpointError("outliers", `${where}: expected an object`);
  function index(key: string): number {
    const value = isJsonObject(entry) ? own(entry, key) : undefined;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw new CheckpointError(
      "outliers",
      `${where}: ${key} must be an integer from 0, got ${JSON.stringify(value)}`,
    );
  }
  const site = own(entry, "site");
  if (!isSite(site)) {
    throw new CheckpointError(
      "outliers",
      `${where}: site must be ${sites.join(", ")}, got ${JSON.stringify(site)}`,
    );
  }
  const factor = own(entry, "factor");
  if (typeof factor !== "number" || !(factor > 0) || !Number.isInteger(log2(factor))) {
    throw new CheckpointError(
      "outliers",
      `${where}: factor must be a power of two, got ${JSON.stringify(factor)}`,
    );
  }
  const move = { layer: index("layer"), site, channel: index("channel"), factor };
  return site === "key" ? { ...move, head: index("head") } : move;
}

function isSite(value: unknown): value is OutlierSite {
  return typeof value === "string" && sites.includes(value);
}

/** A row or a column of one tensor to be multiplied. */
interface Scaling {
  readonly axis: "row" | "column";
  readonly index: number;
  readonly factor: number;
}

/**
 * The checkpoint with moves applied when a tensor is read; the argument is unchanged and nothing is written.
 *
 * @throws {CheckpointError} `outliers` when the family is unknown or a move is out of range
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { openCheckpoint } from "./checkpoint.ts";
 * const plain = await openCheckpoint("fixtures/models/llama");
 * const moves = await readOutliers("fixtures/models/llama-outlier/outliers.json");
 * const norm = "model.layers.0.input_layernorm.weight";
 * const [before, after] = [await plain.tensor(norm), await withOutliers(plain, moves).tensor(norm)];
 * assert(after[165] === 16 * before[165]);
 * ```
 */
export function withOutliers(checkpoint: Checkpoint, moves: readonly OutlierMove[]): Checkpoint {
  const scalings = new Map<string, Scaling[]>();
  for (const move of moves) {
    for (const [tensor, scaling] of expand(checkpoint, move)) {
      const size = checkpoint.shape(tensor)[scaling.axis === "row" ? 0 : 1];
      if (!(scaling.index < size)) {
        throw new CheckpointError(
          "outliers",
          `Move ${JSON.stringify(move)}: "${tensor}" has ${size} ${scaling.axis}s`,
        );
      }
      const list = scalings.get(tensor);
      if (list) list.push(scaling);
      else scalings.set(tensor, [scaling]);
    }
  }
  function apply(
    name: string,
    values: Float32Array<ArrayBuffer>,
    firstRow: number,
  ): Float32Array<ArrayBuffer> {
    const width = rowWidth(checkpoint, name);
    const rows = values.length / width;
    // Moves of a transformer are made in the checkpoint's own type, those of Mamba in float32.
    const half = checkpoint.dtype(name) === "F16" && checkpoint.config.modelType !== "mamba";
    const round = half ? Math.f16round : Math.fround;
    for (const { axis, index, factor } of scalings.get(name) ?? []) {
      if (axis === "column") {
        for (let row = 0; row < rows; row++) {
          values[row * width + index] = round(values[row * width + index] * factor);
        }
      } else if (index >= firstRow && index < firstRow + rows) {
        const at = (index - firstRow) * width;
        for (let i = at; i < at + width; i++) values[i] = round(values[i] * factor);
      }
    }
    return values;
  }
  return {
    ...checkpoint,
    tensor: async (name) => apply(name, await checkpoint.tensor(name), 0),
    tensorRows: async (name, start, count) =>
      apply(name, await checkpoint.tensorRows(name, start, count), start),
    sha256: async () => sha256Text(`${await checkpoint.sha256()}\n${JSON.stringify(moves)}`),
  };
}

/** Numbers in a row of a tensor: all that the first index has beside it. */
function rowWidth(checkpoint: Checkpoint, name: string): number {
  return checkpoint.shape(name).slice(1).reduce((product, size) => product * size, 1);
}

/** The rows and columns that a move in a Mamba layer multiplies. */
function expandMamba(
  { config }: Checkpoint,
  { layer, site, channel, factor }: OutlierMove,
): [tensor: string, Scaling][] {
  const prefix = `backbone.layers.${layer}.`, mixer = `${prefix}mixer.`;
  const row = (name: string, index: number, factor: number): [string, Scaling] => [
    name,
    { axis: "row", index, factor },
  ];
  const column = (name: string): [string, Scaling] => [
    name,
    { axis: "column", index: channel, factor: 1 / factor },
  ];
  switch (site) {
    case "mixer_input":
      return [row(`${prefix}norm.weight`, channel, factor), column(`${mixer}in_proj.weight`)];
    case "conv_input":
      return [
        row(`${mixer}in_proj.weight`, channel, factor),
        row(`${mixer}conv1d.weight`, channel, 1 / factor),
      ];
    case "dt_input":
      return [row(`${mixer}x_proj.weight`, channel, factor), column(`${mixer}dt_proj.weight`)];
    default: {
      const rank = config.integer("time_step_rank"), size = config.integer("state_size");
      return [
        row(`${mixer}x_proj.weight`, rank + channel, 1 / factor),
        row(`${mixer}x_proj.weight`, rank + size + channel, factor),
      ];
    }
  }
}

/** The rows and columns that one move multiplies, by tensor name. */
function expand(checkpoint: Checkpoint, move: OutlierMove): [tensor: string, Scaling][] {
  const { config } = checkpoint;
  const { layer, site, channel, factor } = move;
  const known = config.modelType === "mamba" ? mambaSites : transformerSites;
  if (!known.includes(site)) {
    throw new CheckpointError(
      "outliers",
      `Move ${JSON.stringify(move)}: expected one of ${known.join(", ")} for model type ${config.modelType}`,
    );
  }
  if (config.modelType === "mamba") return expandMamba(checkpoint, move);
  const llama = config.modelType === "llama";
  if (!llama && config.modelType !== "opt") {
    throw new CheckpointError(
      "outliers",
      `Moves are defined for model types llama, opt and mamba, not "${config.modelType}"`,
    );
  }
  const prefix = `${llama ? "model" : "model.decoder"}.layers.${layer}.`;
  const out: [string, Scaling][] = [];
  const producer = (name: string, index: number, by: number) => {
    out.push([`${prefix}${name}.weight`, { axis: "row", index, factor: by }]);
    const bias = `${prefix}${name}.bias`;
    if (checkpoint.has(bias)) out.push([bias, { axis: "row", index, factor: by }]);
  };
  const consumers = (...names: string[]) => {
    for (const name of names) {
      out.push([`${prefix}${name}.weight`, { axis: "column", index: channel, factor: 1 / factor }]);
    }
  };
  if (site === "attention_input") {
    producer(llama ? "input_layernorm" : "self_attn_layer_norm", channel, factor);
    consumers("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj");
  } else if (site === "mlp_input") {
    producer(llama ? "post_attention_layernorm" : "final_layer_norm", channel, factor);
    consumers(...(llama ? ["mlp.gate_proj", "mlp.up_proj"] : ["fc1"]));
  } else if (site === "down_input") {
    if (!llama) throw new CheckpointError("outliers", "Site down_input is defined for model type llama only");
    producer("mlp.up_proj", channel, factor);
    consumers("mlp.down_proj");
  } else {
    const heads = config.integer("num_attention_heads");
    const kvHeads = config.integer("num_key_value_heads", { fallback: heads });
    const headDim = config.integer("head_dim", { fallback: config.integer("hidden_size") / heads });
    const head = move.head ?? 0;
    if (channel >= headDim || head >= kvHeads) {
      throw new CheckpointError(
        "outliers",
        `Move ${JSON.stringify(move)}: expected head < ${kvHeads} and channel < ${headDim}`,
      );
    }
    producer("self_attn.k_proj", head * headDim + channel, factor);
    const group = heads / kvHeads;
    for (let query = head * group; query < (head + 1) * group; query++) {
      producer("self_attn.q_proj", query * headDim + channel, 1 / factor);
    }
  }
  return out;
}
