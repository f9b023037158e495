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

/** Walks all layers over all windows at once. */
export async function walkSites(model: Model, windows: readonly Int32Array[], visit: Visit): Promise<void> {
  const { architecture, device } = model;
  const { heads, kvHeads, headDim, hiddenSize, intermediateSize, activation } = architecture;
  const states = await Promise.all(windows.map((ids) => model.embed(ids)));
  const release = (buffers: readonly DeviceBuffer[]) => buffers.forEach((one) => one[Symbol.dispose]());
  const context = await model.context([], null, windows[0]?.length);
  for (let index = 0; index < architecture.layers; index++) {
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
    requireStates(model, await Promise.all(states.map((x) => device.read(x))), `after layer ${index}`);
    model.leaveLayer(index);
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
