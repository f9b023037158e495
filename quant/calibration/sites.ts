/**
 * A walk through a decoder that stops where linear layers read their input: at the attention projections, the output
 * projection, the gate and up projections, the down projection of each layer. Whoever is met there may look at the input,
 * try other weights, and decides what the rest of the model gets to see.
 */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { type InputSite, type LinearRole, rolesOfSite } from "../../model/architecture.ts";
import { addToResidual, attend, blockInput } from "../../model/decoder.ts";
import type { LoadedNorm, PassContext } from "../../model/decoder/context.ts";
import { rotateInput } from "../../model/decoder/rotation.ts";
import type { Model } from "../../model/model.ts";
import { requireStates } from "./numbers.ts";
import { denseLinear, type Linear } from "../../model/decoder/parameter.ts";
import type { Matrix } from "../method.ts";
import type { Finished } from "../resumption/finished.ts";
import { SchemeError } from "../error.ts";

/** A stop: linear layers that read one input, and what is computed from it. */
export interface Stop {
  readonly layer: number;
  readonly site: InputSite;
  readonly device: Device;
  /** The linear layers that read the input. */
  readonly roles: readonly LinearRole[];
  /** Their input features. */
  readonly columns: number;
  /** Inputs `[tokens, columns]`, one per window. */
  readonly inputs: readonly DeviceBuffer[];
  /** Their weights `[out, in]`, without biases. */
  readonly weights: readonly Matrix[];
  /** The linear layers as they are. */
  readonly linears: readonly Linear[];
  /** The linear layer of `roles[index]` with another weight, its bias included. The caller releases it. */
  linear(values: Float32Array, index: number): Promise<Linear>;
  /**
   * What leaves the stop when `linears` read `x`: attention's result before the output projection, the product of gate
   * and up (both as that layer reads them, rotated where the model rotates), or the linear layer's own output. The caller releases it.
   */
  run(linears: readonly Linear[], x: DeviceBuffer, tokens: number): Promise<DeviceBuffer>;
  /** The linear layer that reads what leaves the stop, where that is not a residual sum. */
  readonly next: Linear | null;
  /** Output features of `next`. */
  readonly nextFeatures: number;
}

/** Returns what leaves the stop, one buffer per window. */
export type Visit = (stop: Stop) => Promise<DeviceBuffer[]>;

/** What a walk does to a model, as it is kept: what was done since the last `take`, and the same done again. */
export interface Journal {
  /** What was done since the last call, as data. */
  take(): unknown;
  /** Does what `take` gave. */
  replay(entries: unknown): Promise<void>;
}

/** Where a walk keeps the layers that it has finished. */
export interface WalkMemory {
  /** Null where nothing is kept. */
  readonly finished: Finished | null;
  /** What the visits write to. */
  readonly journal: Journal;
}

/** A finished layer. */
interface WalkedLayer {
  /** What was done there. */
  readonly entries: unknown;
}

/** Does again what was done to layers that are finished; how many these are, and the hidden states after them. */
async function walked(
  { finished, journal }: WalkMemory,
): Promise<{ count: number; states: Float32Array[] | null }> {
  let count = 0;
  if (finished === null) return { count, states: null };
  for (;; count++) {
    const layer = await finished.read(`layer${count}`) as WalkedLayer | undefined;
    if (layer === undefined) break;
    await journal.replay(layer.entries);
  }
  return { count, states: await finished.read(`states${count}`) as Float32Array[] | undefined ?? null };
}

/**
 * Walks all layers over all windows at once.
 *
 * @throws {SchemeError} `resume`, where layers are finished and the hidden states after them are gone
 */
export async function walkSites(
  model: Model,
  windows: readonly Int32Array[],
  visit: Visit,
  memory?: WalkMemory,
): Promise<void> {
  const { architecture, device } = model;
  const { heads, kvHeads, headDim, hiddenSize, intermediateSize, activation } = architecture;
  const before = memory === undefined ? { count: 0, states: null } : await walked(memory);
  if (before.count === architecture.layers) return;
  if (before.count > 0 && before.states === null) {
    throw new SchemeError(
      "resume",
      `the hidden states after layer ${before.count - 1} are gone: remove what is kept`,
    );
  }
  const states = await Promise.all(
    windows.map((ids, i) => before.states === null ? model.embed(ids) : device.upload(before.states[i])),
  );
  const release = (buffers: readonly DeviceBuffer[]) => buffers.forEach((one) => one[Symbol.dispose]());
  const context = await model.context([], null, windows[0]?.length);
  for (let index = before.count; index < architecture.layers; index++) {
    const layer = await model.loadLayer(index);
    const stop = async (
      site: InputSite,
      columns: number,
      inputs: DeviceBuffer[],
      combine: (outputs: DeviceBuffer[], tokens: number) => Promise<DeviceBuffer>,
      features: readonly number[],
      next: Linear | null,
    ) => {
      const roles = rolesOfSite[site].filter((role) => layer.linears[role] !== undefined);
      const run: Stop["run"] = async (linears, x, tokens) => {
        const outputs = features.slice(features.length - roles.length).map((one) =>
          device.allocate(tokens * one)
        );
        for (const [i, linear] of linears.entries()) await linear.run(x, outputs[i], tokens);
        const result = await combine(outputs, tokens);
        release(outputs.filter((one) => one !== result));
        return result;
      };
      const linears = roles.flatMap((role) => layer.linears[role] ?? []);
      const weights = await Promise.all(roles.map((role) => weightOf(model, index, role)));
      const linear: Stop["linear"] = (values, i) => {
        const { name, shape: [out, inputs] } = model.linear(index, roles[i]);
        const bias = model.bias(index, roles[i]);
        return denseLinear(device, name, [out, inputs], () => Promise.resolve(values), bias).load();
      };
      const at = { layer: index, site, device, roles, columns, inputs, weights, linears, linear, run, next };
      const outputs = await visit({ ...at, nextFeatures: hiddenSize });
      release(inputs);
      return outputs;
    };
    const first = (outputs: DeviceBuffer[]) => Promise.resolve(outputs[0]);
    const normed = (which: "attentionNorm" | "mlpNorm") =>
      states.map((x) => inputOf(context, layer[which], x));
    const residual = (block: "attention" | "mlp", added: readonly DeviceBuffer[]) => {
      states.forEach((x, i) => addToResidual(context, layer, block, x, added[i], x.length / hiddenSize));
      release(added);
    };
    const attended = await stop(
      "attention",
      hiddenSize,
      normed("attentionNorm"),
      async ([q, k, v], tokens) => {
        const result = device.allocate(q.length);
        await attend(context, layer, q, k, v, result, tokens);
        rotateInput(context, "output", result, tokens);
        return result;
      },
      [heads * headDim, kvHeads * headDim, kvHeads * headDim],
      layer.linears.o ?? null,
    );
    const added = await stop("output", heads * headDim, attended, first, [hiddenSize], null);
    if (!architecture.parallel) residual("attention", added);
    const product = await stop(
      "mlp",
      hiddenSize,
      normed("mlpNorm"),
      (outputs, tokens) => {
        device.activate(activation, outputs[0]);
        const up = outputs[outputs.length - 1];
        if (outputs.length === 2) device.multiply(up, outputs[0]);
        rotateInput(context, "down", up, tokens);
        return Promise.resolve(up);
      },
      [intermediateSize, intermediateSize],
      layer.linears.down ?? null,
    );
    const fed = await stop("down", intermediateSize, product, first, [hiddenSize], null);
    if (architecture.parallel) residual("attention", added);
    residual("mlp", fed);
    const values = await Promise.all(states.map((x) => device.read(x)));
    requireStates(model, values, `after layer ${index}`);
    model.leaveLayer(index);
    const entries = memory?.journal.take();
    if (!memory?.finished) continue;
    if (index + 1 < architecture.layers) await memory.finished.write(`states${index + 1}`, values);
    const done: WalkedLayer = { entries };
    await memory.finished.write(`layer${index}`, done);
    await memory.finished.drop(`states${index}`);
  }
  release(states);
}

async function weightOf(model: Model, layer: number, role: LinearRole): Promise<Matrix> {
  const { shape: [rows, columns], values } = model.linear(layer, role);
  return { rows, columns, data: await values() };
}

function inputOf(
  context: PassContext,
  norm: LoadedNorm,
  x: DeviceBuffer,
): DeviceBuffer {
  const y = context.device.allocate(x.length);
  blockInput(context, norm, x, y, x.length / context.architecture.hiddenSize);
  return y;
}
