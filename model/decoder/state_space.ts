/**
 * A layer of a state-space model (Mamba, Gu and Dao, 2023, figure 3): norm, input projection to channels and gate, short convolution, SiLU (or what the configuration names),
 * selective scan with a time step, B and C that depend on the token, gate, output projection; added to the hidden states.
 */
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { StateSpace } from "../architecture.ts";
import { ModelError } from "../error.ts";
import type { LoadedLayer, LoadedStateSpace, PassContext } from "./context.ts";
import { runLinears } from "./linears.ts";
import { normalize } from "./norm.ts";
import { RecurrentState } from "./recurrent_state.ts";
import { Scratch } from "./scratch.ts";

/** Runs a layer on the hidden states `x` `[tokens, hidden]`, in place; a state that the context has goes on and is kept. */
export async function runStateSpace(
  context: PassContext,
  shape: StateSpace,
  layer: LoadedLayer,
  x: DeviceBuffer,
  tokens: number,
): Promise<void> {
  const { device, architecture: { hiddenSize } } = context;
  const { innerSize } = shape;
  if (layer.stateSpace === undefined) throw new ModelError("option", "the layer has no state-space mixer");
  using scratch = new Scratch(device);
  const normed = scratch.take(tokens * hiddenSize), both = scratch.take(2 * tokens * innerSize);
  normalize(context, layer.attentionNorm, x, normed, tokens);
  await runLinears(context, layer, ["in"], normed, [both], tokens);
  const mixed = await mix(context, shape, layer, layer.stateSpace, both, tokens, scratch);
  const gate = scratch.take(tokens * innerSize);
  device.takeColumns(both, gate, tokens, innerSize, innerSize);
  device.activate("silu", gate);
  device.multiply(mixed, gate);
  const added = scratch.take(tokens * hiddenSize);
  await runLinears(context, layer, ["out"], mixed, [added], tokens);
  device.add(x, added);
}

/** From the input projection's output to what the scan gives, `[tokens, inner]`. */
async function mix(
  context: PassContext,
  { innerSize, stateSize, taps, rank }: StateSpace,
  layer: LoadedLayer,
  { kernel, kernelBias, decay, skip }: LoadedStateSpace,
  both: DeviceBuffer,
  tokens: number,
  scratch: Scratch,
): Promise<DeviceBuffer> {
  const { device, architecture: { activation } } = context,
    state = stateOf(context, layer.index),
    past = (taps - 1) * innerSize;
  const channels = scratch.take(tokens * innerSize), padded = scratch.take(past + tokens * innerSize);
  device.takeColumns(both, channels, tokens, 0, innerSize);
  if (state !== null) device.copy(state.inputs, 0, padded, 0, past);
  device.copy(channels, 0, padded, past, channels.length);
  if (state !== null) device.copy(padded, tokens * innerSize, state.inputs, 0, past);
  const convolved = scratch.take(tokens * innerSize), shape = { tokens, channels: innerSize, taps };
  device.shortConvolution(padded, kernel, kernelBias, convolved, shape);
  device.activate(activation, convolved);

  const selected = scratch.take(tokens * (rank + 2 * stateSize));
  await runLinears(context, layer, ["x"], convolved, [selected], tokens);
  const part = (first: number, count: number) => {
    const columns = scratch.take(tokens * count);
    device.takeColumns(selected, columns, tokens, first, count);
    return columns;
  };
  const short = part(0, rank), step = scratch.take(tokens * innerSize);
  await runLinears(context, layer, ["dt"], short, [step], tokens);
  device.activate("softplus", step);
  const input = part(rank, stateSize), output = part(rank + stateSize, stateSize);
  const scanned = scratch.take(tokens * innerSize);
  const states = state?.states ?? scratch.take(innerSize * stateSize);
  device.scan({ x: convolved, step, input, output, decay, skip }, states, scanned, {
    tokens,
    channels: innerSize,
    states: stateSize,
  });
  return scanned;
}

/** Where the recurrence goes on, or null where it begins and nothing is kept. */
function stateOf(
  { cache, sequences = [] }: PassContext,
  layer: number,
): RecurrentState["layers"][number] | null {
  if (cache === null) return null;
  if (sequences.length > 1) {
    throw new ModelError("option", "several sequences share one state: expected one after the other");
  }
  if (cache instanceof RecurrentState) return cache.layers[layer];
  throw new ModelError("option", "the cache holds keys and values: a state-space model has a state instead");
}
