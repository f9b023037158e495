/** How far the operands of a model reach over a calibration text: inputs of linear layers, and queries, keys and values. */
import type { Finished } from "../../resumption/finished.ts";
import type { Device, DeviceBuffer } from "../../../kernels/device.ts";
import { roundHalfEven } from "../../../kernels/round.ts";
import { runLayer } from "../../../model/decoder.ts";
import type { Intervention } from "../../../model/decoder/intervention.ts";
import type { Model } from "../../../model/model.ts";
import { requireStates } from "../../calibration/numbers.ts";
import type { CalibratedOperand, LayeredOperand, OperandView } from "../../method.ts";

/** How the largest magnitudes of a channel in the windows become one. */
export type Extremes = "largest" | "leastWindow";

/** The largest magnitudes of channels, by `"layer.site"`. */
type Channels = Map<string, Float32Array>;

/** Joins what one window reaches into what those before it did. */
async function join(
  model: Model,
  running: ReadonlyMap<string, DeviceBuffer>,
  channels: Channels,
  extremes: Extremes,
) {
  const choose = extremes === "largest" ? Math.max : Math.min;
  for (const [key, buffer] of running) {
    using maxima = buffer;
    const each = await model.device.read(maxima), before = channels.get(key);
    const seen = /\.(query|key|value)$/.test(key) ? overHeads(each, model.architecture.headDim) : each;
    channels.set(key, before === undefined ? seen : seen.map((one, j) => choose(one, before[j])));
  }
}

/** Largest magnitudes of a head's dimensions over all heads: these are the channels of queries, keys and values. */
function overHeads(maxima: Float32Array, headDim: number): Float32Array {
  const most = maxima.slice(0, headDim);
  for (const [i, one] of maxima.entries()) most[i % headDim] = Math.max(most[i % headDim], one);
  return most;
}

/** Notes the largest magnitude of each channel. */
function scanning({ device }: Model, running: Map<string, DeviceBuffer>): Intervention {
  const scan = (key: string, x: DeviceBuffer, rows: number, columns: number) => {
    const maxima = running.get(key) ?? device.allocate(columns);
    running.set(key, maxima);
    device.columnAbsMax(x, maxima, rows);
  };
  const operand = (site: "query" | "key" | "value"): Intervention => ({
    [site]: (x: DeviceBuffer, at: { layer: number; tokens: number; heads: number; headDim: number }) =>
      scan(`${at.layer}.${site}`, x, at.tokens, at.heads * at.headDim),
  });
  return {
    input: (x, { layer, site, rows, columns }) => scan(`${layer}.${site}`, x, rows, columns),
    ...operand("query"),
    ...operand("key"),
    ...operand("value"),
  };
}

/** What is kept after each layer. */
interface Reached {
  readonly layers: number;
  readonly reach: Readonly<Record<string, number>>;
  readonly states: readonly Float32Array[];
}

/**
 * The largest magnitude at each place, `"layer.site"`: of a channel over the tokens of a window, over windows the largest of these or the
 * least, over channels the largest. With `round`, which is asked for what rounds inputs of linear layers when the layer's reach is known, each
 * layer is looked at behind layers that are rounded. `finished` keeps what is found after each layer.
 */
export async function operandReach(
  model: Model,
  windows: readonly Int32Array[],
  extremes: Extremes,
  round?: (reach: ReadonlyMap<string, number>) => CalibratedOperand,
  finished: Finished | null = null,
): Promise<Map<string, number>> {
  const { device, architecture } = model;
  const name = `reach-${extremes}-${round ? "rounded" : "float"}`;
  const before = await finished?.read(name) as Reached | undefined;
  const reach = new Map<string, number>(Object.entries(before?.reach ?? {}));
  using stack = new DisposableStack();
  const hidden = await Promise.all(
    windows.map(async (ids, i) =>
      stack.use(before === undefined ? await model.embed(ids) : device.upload(before.states[i]))
    ),
  );
  for (let index = before?.layers ?? 0; index < architecture.layers; index++) {
    requireStates(model, await Promise.all(hidden.map((x) => device.read(x))), `before layer ${index}`);
    const layer = await model.loadLayer(index), channels: Channels = new Map();
    for (const [i, ids] of windows.entries()) {
      const running = new Map<string, DeviceBuffer>();
      const context = await model.context([scanning(model, running)], null, ids.length);
      if (round === undefined) await runLayer(context, layer, hidden[i], ids.length);
      else {
        using states = device.allocate(hidden[i].length);
        device.copy(hidden[i], 0, states, 0, states.length);
        await runLayer(context, layer, states, ids.length);
      }
      await join(model, running, channels, extremes);
    }
    for (const [key, maxima] of channels) reach.set(key, maxima.reduce((a, b) => Math.max(a, b), 0));
    if (round !== undefined && index + 1 < architecture.layers) {
      const act = round(reach);
      const rounded: Intervention = {
        input: (x, { layer, site, rows, columns }) => act(x, { rows, columns, heads: 1 }, { layer, site }),
      };
      for (const [i, ids] of windows.entries()) {
        await runLayer(await model.context([rounded], null, ids.length), layer, hidden[i], ids.length);
      }
    }
    model.leaveLayer(index);
    if (finished === null) continue;
    const states = await Promise.all(hidden.map((x) => device.read(x)));
    await finished.write(name, { layers: index + 1, reach: Object.fromEntries(reach), states });
  }
  return reach;
}

/**
 * The same, found as a walk over the layers comes to each: `round` is asked once for what rounds by the reach that is known by then.
 * `finished` keeps what is found.
 */
export async function layeredReach(
  model: Model,
  extremes: Extremes,
  round: (reach: ReadonlyMap<string, number>) => CalibratedOperand,
  finished: Finished | null,
): Promise<LayeredOperand> {
  const name = `reach-${extremes}-layers`,
    before = await finished?.read(name) as Reached["reach"] | undefined;
  const reach = new Map<string, number>(Object.entries(before ?? {}));
  let channels: Channels = new Map();
  return {
    round: round(reach),
    look(_, window) {
      if (window === 0) channels = new Map();
      const running = new Map<string, DeviceBuffer>();
      return {
        observer: scanning(model, running),
        async done() {
          await join(model, running, channels, extremes);
          for (const [key, maxima] of channels) reach.set(key, maxima.reduce((a, b) => Math.max(a, b), 0));
          await finished?.write(name, Object.fromEntries(reach));
        },
      };
    },
  };
}

/** Rounds all values with one step to codes within bounds. */
export async function roundAll(
  device: Device,
  x: DeviceBuffer,
  count: number,
  step: number,
  lowest: number,
  highest: number,
) {
  const code = (value: number) =>
    Math.max(lowest, Math.min(highest, roundHalfEven(Math.fround(value / step))));
  device.write(x, (await device.read(x, 0, count)).map((value) => code(value) * step));
}

/** How far a tensor reaches, but for channels that reach more than twice as far as the tenth. */
export async function tensorReach(
  device: Device,
  x: DeviceBuffer,
  { rows, columns }: OperandView,
): Promise<number> {
  using maxima = device.allocate(columns);
  device.columnAbsMax(x, maxima, rows);
  const sorted = (await device.read(maxima)).toSorted(), most = sorted[columns - 1];
  return columns > 10 ? Math.min(2 * sorted[columns - 10], most) : most;
}
