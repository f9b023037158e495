/** What a model computes must be numbers: NaN is larger and smaller than nothing, and would pass for a small divergence or token 0. */
import { type Architecture, layerLinears, type LinearRole } from "../architecture.ts";
import { ModelError } from "../error.ts";
import type { Linear, Parameter } from "./parameter.ts";

/** The first row of `values`, `[rows, width]`, that holds NaN or infinity; -1 when there is none. */
export function infiniteRow(values: ArrayLike<number>, width: number): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return Math.floor(i / width);
  return -1;
}

/**
 * Throws where `values`, `[rows, width]`, hold a NaN.
 *
 * @param what says in words what a row is
 * @throws {ModelError} `nan`
 */
export function requireNumbers(
  values: ArrayLike<number>,
  width: number,
  what: (row: number) => string,
): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isNaN(values[i])) continue;
    throw new ModelError("nan", `${what(Math.floor(i / width))} hold NaN: expected numbers`);
  }
}

/** A pass over one window, layer by layer. */
export interface Steps {
  /** The hidden states as they are now, `[tokens, hidden]`. */
  states(): Promise<Float32Array>;
  /** Runs a layer on them. */
  run(index: number): Promise<void>;
  /** A linear layer. */
  linear(layer: number, role: LinearRole, expert?: number): Pick<Parameter<Linear>, "name" | "values">;
}

/** Where hidden states that overflow begin to do so, in words: the token, the layer and its largest weight, if that is large. */
export async function overflowOf(architecture: Architecture, ids: Int32Array, steps: Steps): Promise<string> {
  const { layers, hiddenSize } = architecture;
  let row = infiniteRow(await steps.states(), hiddenSize), index = -1;
  while (row < 0 && ++index < layers) {
    await steps.run(index);
    row = infiniteRow(await steps.states(), hiddenSize);
  }
  const what = `the hidden state of token ${row} (id ${ids[row]}) holds NaN or infinity`;
  if (index < 0) return `${what} after the embedding`;
  if (row < 0) return "the hidden states hold NaN or infinity after the last layer";
  let most = 1e4, name = "";
  for (const { role, expert } of layerLinears(architecture, index)) {
    const linear = steps.linear(index, role, expert);
    for (const value of await linear.values()) {
      if (!(Math.abs(value) > most)) continue;
      most = Math.abs(value);
      name = linear.name;
    }
  }
  const weight = name === "" ? "" : `: the largest weight there is ${most.toPrecision(3)}, in ${name}`;
  return `${what} after layer ${index}${weight}`;
}
