/** The weights of a scheme: linear layers one by one, each by what the scheme says of it, then the two ends of the decoder. */
import { type InputSite, layerLinears, type LinearPlace, siteOfRole } from "../../model/architecture.ts";
import type { Linear, Parameter, StoredWeight } from "../../model/decoder/parameter.ts";
import type { Intervention } from "../../model/decoder/intervention.ts";
import { linearKey, type Table } from "../../model/decoder/parameters.ts";
import { heldWeight } from "../../model/checkpoint/stored.ts";
import type { Model } from "../../model/model.ts";
import { type Layerwise, quantizeLayerwise } from "../calibration/layerwise.ts";
import { SchemeError } from "../error.ts";
import type { CalibratedWeights, InputStatistics, Matrix, QuantizeContext } from "../method.ts";
import { FinishedLayers } from "../resumption/layers.ts";
import { type Execution, quantizedLinear } from "../weights/linear.ts";
import { SparseWeight } from "../weights/sparse_values.ts";
import type { CalibratedOperands } from "./operands.ts";
import {
  allWeights,
  type BoundWeights,
  needsDrift,
  needsGram,
  needsInputs,
  type ResolvedScheme,
  seesRounded,
  weightsAt,
} from "./resolve.ts";

/** What {@linkcode quantizeWeights} and {@linkcode quantizeEnds} run with. */
export interface WeightsContext extends QuantizeContext {
  /** How the weights are multiplied. */
  readonly execution: Execution;
  /** What rounds inputs of linear layers and operands of attention, where the scheme does. */
  readonly rounding: Intervention | null;
  /** What of it looks at layers as they are walked over. */
  readonly layered: CalibratedOperands["layered"];
  /** What quantizes one weight, by the part of the scheme. */
  readonly quantizers: ReadonlyMap<BoundWeights, CalibratedWeights>;
}

/** What quantizes one weight, for each part of a scheme that speaks of weights: calibrated now, on full precision, where it asks for that. */
export async function weightQuantizers(
  model: Model,
  scheme: ResolvedScheme,
  context: QuantizeContext,
): Promise<Map<BoundWeights, CalibratedWeights>> {
  const found = new Map<BoundWeights, CalibratedWeights>();
  for (const bound of [...allWeights(scheme), scheme.head.weights, scheme.embedding]) {
    if (bound === undefined) continue;
    const { part, scheme: own } = bound;
    const plain: CalibratedWeights = (weight, place, input, device) =>
      part.quantize(weight, own, place, input, device);
    found.set(bound, await part.calibrate?.(model, own, context) ?? plain);
  }
  return found;
}

function quantizerOf({ quantizers }: WeightsContext, bound: BoundWeights): CalibratedWeights {
  const found = quantizers.get(bound);
  if (found === undefined) throw new Error(`no quantizer was made of ${bound.scheme.method}`);
  return found;
}

/** A model with the linear layers of its decoder layers quantized. */
export async function quantizeWeights(
  model: Model,
  scheme: ResolvedScheme,
  change: unknown,
  context: WeightsContext,
): Promise<Model> {
  const { architecture, device } = model;
  const total = weightsToQuantize(model, scheme);
  const finished = await FinishedLayers.open(context.finished);
  let done = 0;
  const one = async (
    layer: number,
    { role, expert }: LinearPlace,
    input: InputStatistics | null,
  ): Promise<Parameter<Linear>> => {
    const parameter = model.linear(layer, role, expert), { name } = parameter;
    const place = { layer, role, expert, site: siteOfRole(role), name };
    const bound = boundOf(scheme, place);
    if (bound === undefined) return parameter.retain();
    const key = linearKey(layer, role, expert), known = finished.weight(layer, key);
    const quantizer = quantizerOf(context, bound), statistics = needsGram(bound) ? input : null;
    const stored = known ?? await quantizer(await finiteMatrix(parameter), place, statistics, device);
    const before = parameter.stored && await heldWeight(parameter.stored);
    if (before instanceof SparseWeight) requireZeros(before, stored, bound, name);
    if (known === undefined) finished.add(key, stored);
    context.progress(`${known === undefined ? bound.scheme.method : "kept"} ${name}`, {
      done: ++done,
      total,
    });
    const bias = expert === undefined ? model.bias(layer, role) : null;
    return quantizedLinear(device, name, stored, bias, bound.scheme.method, context.execution);
  };
  const compensating = allWeights(scheme).filter(needsGram), drift = compensating.some(needsDrift);
  const { rounding } = context, behind = layeredWalk(context);
  if (compensating.length === 0 && behind === null) {
    const linears = new Map<string, Parameter<Linear>>();
    for (let layer = 0; layer < architecture.layers; layer++) {
      for (const place of layerLinears(architecture, layer)) {
        linears.set(linearKey(layer, place.role, place.expert), await one(layer, place, null));
      }
      if (layer >= finished.count) await finished.close(layer);
    }
    return model.with({ linears, change });
  }
  const windows = compensating.length > 0
    ? compensationWindows(compensating, context)
    : context.calibration("activations");
  if (behind !== null && windows.length < context.calibration("activations").length) {
    throw new SchemeError(
      "combination",
      `weights are compensated on ${windows.length} calibration windows, ranges are found on all, layer by layer: expected the same`,
    );
  }
  const rounded = compensating.filter(seesRounded);
  if (rounding?.input !== undefined && rounded.length > 0 && rounded.length < compensating.length) {
    throw new SchemeError(
      "combination",
      "some weights are compensated on rounded inputs, others on inputs as they are: expected the same, as layers are walked once",
    );
  }
  const linears = await quantizeLayerwise(model, windows, {
    ...drift && {
      drift: (layer, { role }) => {
        const bound = weightsAt(scheme, layer, role);
        return bound !== undefined && needsDrift(bound);
      },
    },
    rounding: {
      ...rounded.length > 0 && rounding?.input && { input: rounding.input },
      ...behind?.attention,
    },
    ...behind,
    inputs: (layer, { role }) => {
      const bound = weightsAt(scheme, layer, role);
      return bound !== undefined && needsInputs(bound);
    },
    needed: (layer, { role }) => {
      const bound = weightsAt(scheme, layer, role);
      return bound !== undefined && needsGram(bound);
    },
    sequential: (layer) =>
      layerLinears(architecture, layer).some(({ role }) => {
        const bound = weightsAt(scheme, layer, role);
        return bound?.part.sequential?.(bound.scheme) ?? false;
      }),
    lastWindow: (layer, { role }) => {
      const bound = weightsAt(scheme, layer, role);
      return bound?.part.lastWindow?.(bound.scheme) ?? false;
    },
    quantize: one,
    finished,
  });
  return model.with({ linears, change });
}

/** How layers are looked at and left behind where ranges are found layer by layer; null where none are. */
function layeredWalk(
  { rounding, layered }: WeightsContext,
): Pick<Layerwise, "enter" | "behind"> & { readonly attention: Intervention } | null {
  if (rounding === null || layered.attention.length + layered.inputs.length === 0) return null;
  const { input: _, head: __, ...attention } = rounding;
  return {
    attention,
    behind: rounding,
    async enter(index, run) {
      for (const [looking, rounds] of [[layered.attention, []], [layered.inputs, [attention]]] as const) {
        if (looking.length === 0) continue;
        await run(rounds, (window) => looking.map((one) => one.look(index, window)));
      }
    },
  };
}

/** What a scheme removed must not come back with what rounds the rest, as it does where errors are spread over other columns. */
function requireZeros(
  sparse: SparseWeight,
  stored: StoredWeight,
  { scheme }: BoundWeights,
  name: string,
): void {
  const values = stored.dequantize(),
    lost = sparse.dequantize().findIndex((value, i) => value === 0 && values[i] !== 0);
  if (lost < 0) return;
  throw new SchemeError(
    "combination",
    `${scheme.method} turns the zero at ${name}[${lost}] into ${
      values[lost]
    }: expected weights by a method that keeps the zeros of ` +
      `sparsity (rtn, fp8, mx, nvfp4, nf4), or one that rounds while it removes (sparseGpt with bits)`,
  );
}

/** What quantizes the weight at a place; undefined where it stays as it is. */
function boundOf(scheme: ResolvedScheme, place: LayerPlace): BoundWeights | undefined {
  const bound = weightsAt(scheme, place.layer, place.role);
  return bound?.part.skips?.(bound.scheme, place) ? undefined : bound;
}

type LayerPlace = LinearPlace & { readonly layer: number; readonly site: InputSite; readonly name: string };

/** How many linear layers a scheme quantizes the weights of. */
function weightsToQuantize(model: Model, scheme: ResolvedScheme): number {
  const { architecture } = model;
  let count = 0;
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role, expert } of layerLinears(architecture, layer)) {
      const { name } = model.linear(layer, role, expert);
      if (boundOf(scheme, { layer, role, expert, site: siteOfRole(role), name }) !== undefined) count++;
    }
  }
  return count;
}

/** The calibration windows that statistics of inputs are taken of; all parts that ask for them must want the same. */
function compensationWindows(
  bound: readonly BoundWeights[],
  context: QuantizeContext,
): readonly Int32Array[] {
  const [{ scheme: { method } }] = bound, windows = context.calibration(method);
  const counts = bound.map(({ part, scheme }) => part.windows?.(scheme) ?? windows.length);
  const other = counts.findIndex((count) => count !== counts[0]);
  if (other > 0) {
    throw new SchemeError(
      "combination",
      `${bound[other].scheme.method} compensates on ${counts[other]} windows, ${method} on ${counts[0]}: ` +
        "expected the same, as layers are walked once",
    );
  }
  if (counts[0] <= windows.length) return windows.slice(0, counts[0]);
  throw new SchemeError(
    "calibration",
    `${method} compensates on ${
      counts[0]
    } windows, but calibration has ${windows.length}: expected at least as many`,
  );
}

/** A model with its embedding and its output projection quantized, each by its part of the scheme, if there is one. */
export async function quantizeEnds(
  model: Model,
  { head, embedding }: ResolvedScheme,
  change: unknown,
  context: WeightsContext,
): Promise<Model> {
  const table = embedding && await quantizedTable(model, embedding, context);
  const own = head.weights && await quantizedHead(model, head.weights, context, table?.stored);
  return model.with({ ...table && { embedding: table }, ...own && { head: own }, change });
}

async function quantizedTable(
  { embedding: table, device }: Model,
  bound: BoundWeights,
  context: WeightsContext,
): Promise<Table> {
  const { name, shape } = table, place = { layer: null, role: "embedding", name } as const;
  const stored = await kept(
    context,
    "embedding",
    async () => await quantizerOf(context, bound)(await finiteMatrix(table), place, null, device),
  );
  let values: Float32Array | undefined;
  return { name, shape, stored, values: () => Promise.resolve(values ??= stored.dequantize()) };
}

async function quantizedHead(
  model: Model,
  bound: BoundWeights,
  context: WeightsContext,
  table: StoredWeight | undefined,
): Promise<Parameter<Linear>> {
  const { head, device, headBias, architecture } = model;
  const from = bound.part.lastWindow?.(bound.scheme) ? -1 : 0;
  const place = { layer: null, role: "head", name: head.name } as const;
  const found = await kept(context, "head", async () => {
    const input = needsGram(bound)
      ? await headStatistics(model, compensationWindows([bound], context).slice(from))
      : null;
    return await quantizerOf(context, bound)(await finiteMatrix(head), place, input, device);
  });
  context.progress(`${bound.scheme.method} ${head.name}`);
  // A tied matrix that both ends quantize to the same stays one.
  const tied = architecture.head === architecture.embedding && table !== undefined &&
    sameValues(table, found);
  const stored = tied ? table : found;
  return quantizedLinear(device, head.name, stored, headBias, bound.scheme.method, context.execution);
}

/** A weight of one of the ends: as an earlier run has finished it, where it has. */
function kept(
  { finished }: WeightsContext,
  name: string,
  quantize: () => Promise<StoredWeight>,
): Promise<StoredWeight> {
  return finished === null ? quantize() : finished.step(name, quantize);
}

function sameValues(one: StoredWeight, other: StoredWeight): boolean {
  if (one.byteLength !== other.byteLength) return false;
  const values = other.dequantize();
  return one.dequantize().every((value, i) => Object.is(value, values[i]));
}

/** What the output projection reads, after all layers as they are quantized by now. */
async function headStatistics(model: Model, windows: readonly Int32Array[]): Promise<InputStatistics> {
  const [, columns] = model.head.shape;
  using gram = model.device.gram(columns);
  let tokens = 0;
  for (const ids of windows) {
    for (const hidden of await model.hiddenStates([ids])) {
      using states = hidden, inputs = await model.final(states, ids.length);
      gram.add(inputs, ids.length);
      tokens += ids.length;
    }
  }
  return { gram: await gram.read(), windows: windows.length, tokens };
}

async function finiteMatrix(
  { name, shape: [rows, columns], values }: Pick<Table, "name" | "values"> & {
    readonly shape: readonly number[];
  },
): Promise<Matrix> {
  const data = await values(), bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return { rows, columns, data };
  throw new SchemeError("values", `${name}[${bad}] is ${data[bad]}: expected finite weights`);
}
