/**
 * Layer-by-layer quantization of weights with statistics of their inputs: each layer sees what the quantized layers
 * before it produce, and only one layer's statistics are in memory at a time.
 */
import type { DeviceBuffer } from "../../kernels/device.ts";
import {
  type InputSite,
  inputSites,
  layerLinears,
  type LinearPlace,
  type LinearRole,
  siteOfRole,
} from "../../model/architecture.ts";
import { runLayer } from "../../model/decoder.ts";
import type { LoadedLayer } from "../../model/decoder/context.ts";
import type { Intervention, LinearInput } from "../../model/decoder/intervention.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import type { Model } from "../../model/model.ts";
import type { Linear, Parameter } from "../../model/decoder/parameter.ts";
import { requireNumbers } from "../../model/decoder/numbers.ts";
import { requireStates } from "./numbers.ts";
import { FloatPass } from "./float_pass.ts";
import type { InputStatistics } from "../method.ts";
import type { FinishedLayers } from "../resumption/layers.ts";
import { SchemeError } from "../error.ts";

/** Runs a layer over all windows, in order, without keeping what it gives. */
export type LayerRun = (
  rounds: readonly Intervention[],
  observers: (window: number) => readonly { readonly observer: Intervention; done(): Promise<void> }[],
) => Promise<void>;

/** How {@linkcode quantizeLayerwise} treats linear layers. */
export interface Layerwise {
  /** Whether a linear layer needs the statistics of its input. */
  needed(layer: number, place: LinearPlace): boolean;
  /**
   * Whether the statistics of a layer are taken anew after each of its blocks (the reference's "true sequential"); otherwise all
   * blocks share one full-precision forward pass.
   */
  sequential(layer: number): boolean;
  /** Whether the statistics of a linear layer's input are those of the last window alone; never, when absent. */
  lastWindow?(layer: number, place: LinearPlace): boolean;
  /** Whether a linear layer also needs how far its input is from the float model's; no expert may. */
  drift?(layer: number, place: LinearPlace): boolean;
  /** Whether a linear layer also needs its inputs themselves; no expert may. Never, when absent. */
  inputs?(layer: number, place: LinearPlace): boolean;
  /** What rounds inputs in the quantized model's pass; the float model's pass, and nothing else, goes without. */
  readonly rounding?: Intervention | null;
  /** What rounds as layers are left behind, if more than `rounding` does. */
  readonly behind?: Intervention;
  /**
   * Looks at each layer before its weights are quantized; `run` runs it over all windows, rounded by `rounds`, and is told what observes each.
   */
  enter?(index: number, run: LayerRun): Promise<void>;
  /** Quantizes one linear layer; the statistics of its input are null where they are not needed. */
  quantize(layer: number, place: LinearPlace, input: InputStatistics | null): Promise<Parameter<Linear>>;
  /** Layers that are finished: `quantize` gives their weights without statistics; and where the others are kept. */
  readonly finished?: FinishedLayers;
}

/** Linear layers of a decoder layer that are quantized on the same statistics, in order. */
function stages(places: LinearPlace[], sequential: boolean): LinearPlace[][] {
  if (!sequential) return [places];
  return inputSites.map((site) => places.filter(({ role }) => siteOfRole(role) === site));
}

/** What the statistics of an input are filed under: each expert has inputs of its own. */
function inputKey(site: InputSite, expert?: number): string {
  return expert === undefined ? site : `${site} of expert ${expert}`;
}

/** All linear layers, quantized. */
export async function quantizeLayerwise(
  model: Model,
  windows: readonly Int32Array[],
  { needed, sequential, lastWindow = () => false, drift, inputs = () => false, ...rest }: Layerwise,
): Promise<Map<string, Parameter<Linear>>> {
  const { architecture } = model, { rounding, behind, enter, quantize, finished } = rest;
  const result = new Map<string, Parameter<Linear>>();
  // Hidden states that are not there are made again, and with them all layers. Those of the float model stand behind the others.
  const start = finished && (finished.states ?? finished.count === architecture.layers) ? finished.count : 0;
  const before = start === 0 ? null : finished?.states ?? null;
  const hidden = start === architecture.layers ? [] : await Promise.all(
    windows.map((ids, i) => before === null ? model.embed(ids) : model.device.upload(before[i])),
  );
  const rounds = rounding ? [rounding] : [];
  const float = drift ? new FloatPass(model, windows, before?.slice(windows.length)) : null;
  try {
    for (let index = 0; index < start; index++) {
      for (const place of layerLinears(architecture, index)) {
        const parameter = await quantize(index, place, null);
        result.set(linearKey(index, place.role, place.expert), parameter);
        if (model.streaming) parameter.evict();
      }
    }
    for (let index = start; index < architecture.layers; index++) {
      const states = await Promise.all(hidden.map((x) => model.device.read(x)));
      requireStates(model, states, `before layer ${index}`);
      const places = layerLinears(architecture, index);
      let layer = withQuantizedExperts(await model.loadLayer(index), result);
      const drifting = places.filter((place) => drift?.(index, place)).map(({ role }) => siteOfRole(role));
      await float?.enter(layer, new Set(drifting));
      // Once the attention block is done, what it gave is kept in place of what went into the layer: nothing runs twice.
      const blocks = sequential(index) && behind === undefined && !architecture.parallel &&
        !architecture.stateSpace;
      let stand: "middle" | undefined;
      const advance = async (to?: "middle") => {
        const context = await model.context(behind ? [behind] : rounds, null, windows[0]?.length);
        for (const [i, ids] of windows.entries()) {
          await runLayer(context, layer, hidden[i], ids.length, { from: stand, to });
        }
      };
      await enter?.(index, (rounds, observers) => look(model, layer, { windows, hidden, rounds, observers }));
      for (const stage of stages(places, sequential(index))) {
        const feeds = stage.some(({ role }) => siteOfRole(role) === "mlp" || siteOfRole(role) === "down");
        if (blocks && feeds && stand === undefined && stage.some((place) => needed(index, place))) {
          await advance("middle");
          stand = "middle";
        }
        const statistics = async (last: boolean) => {
          const observed = stage.filter((place) => needed(index, place) && lastWindow(index, place) === last);
          const sites = new Set(observed.map(({ role }) => siteOfRole(role))), from = last ? -1 : 0;
          // Nothing that looks at the last window alone asks for the float model's.
          const asked = observed.filter((place) => inputs(index, place)).map(({ role }) => siteOfRole(role));
          const others = { sites, kept: new Set(asked), rounds, float: last ? null : float, from: stand };
          return await inputStatistics(model, layer, windows.slice(from), hidden.slice(from), others);
        };
        const ofAll = await statistics(false), ofLast = await statistics(true);
        for (const place of stage) {
          const { role, expert } = place;
          const found = lastWindow(index, place) ? ofLast : ofAll;
          const input = found.get(inputKey(siteOfRole(role), expert)) ?? null;
          if (input === null && needed(index, place)) {
            throw new SchemeError(
              "calibration",
              `no calibration token goes through ${
                model.linear(index, role, expert).name
              }: pass more windows`,
            );
          }
          const parameter = await quantize(index, place, input);
          result.set(linearKey(index, role, expert), parameter);
          if (expert !== undefined) continue;
          layer = { ...layer, linears: { ...layer.linears, [role]: await parameter.load() } };
        }
      }
      // Nobody looks at what the last layer produces.
      if (index + 1 < architecture.layers) await advance();
      const after = async () => [
        ...await Promise.all(hidden.map((x) => model.device.read(x))),
        ...await float?.states() ?? [],
      ];
      await finished?.close(index, index + 1 < architecture.layers ? after : undefined);
      if (model.streaming) {
        for (const { role, expert } of places) result.get(linearKey(index, role, expert))?.evict();
      }
      model.leaveLayer(index);
    }
  } finally {
    for (const states of hidden) states[Symbol.dispose]();
    float?.[Symbol.dispose]();
  }
  return result;
}

/** A {@linkcode LayerRun} of a layer. */
async function look(
  model: Model,
  layer: LoadedLayer,
  { windows, hidden, rounds, observers }: {
    readonly windows: readonly Int32Array[];
    readonly hidden: readonly DeviceBuffer[];
    readonly rounds: Parameters<LayerRun>[0];
    readonly observers: Parameters<LayerRun>[1];
  },
): Promise<void> {
  for (const [i, ids] of windows.entries()) {
    const seeing = observers(i);
    using states = model.device.allocate(hidden[i].length);
    model.device.copy(hidden[i], 0, states, 0, states.length);
    const context = await model.context(
      [...rounds, ...seeing.map(({ observer }) => observer)],
      null,
      ids.length,
    );
    await runLayer(context, layer, states, ids.length);
    for (const one of seeing) await one.done();
  }
}

/** A layer whose experts are the quantized ones, as far as these are done. */
function withQuantizedExperts(
  layer: LoadedLayer,
  done: ReadonlyMap<string, Parameter<Linear>>,
): LoadedLayer {
  const { experts, index } = layer;
  if (experts === undefined) return layer;
  const load: typeof experts.load = async (expert) => {
    const plain = await experts.load(expert);
    const get = async (role: "gate" | "up" | "down") =>
      await done.get(linearKey(index, role, expert))?.load() ?? plain[role];
    return { gate: await get("gate"), up: await get("up"), down: await get("down") };
  };
  return { ...layer, experts: { ...experts, load } };
}

/** Runs a layer, from where `hidden` stands, over all windows, without keeping its output, and sums `X^T X` of the inputs of some sites. */
async function inputStatistics(
  model: Model,
  layer: LoadedLayer,
  windows: readonly Int32Array[],
  hidden: readonly DeviceBuffer[],
  { sites, kept: copied, float, rounds, from }: {
    readonly sites: ReadonlySet<InputSite>;
    readonly kept: ReadonlySet<InputSite>;
    readonly float: FloatPass | null;
    readonly rounds: readonly Intervention[];
    readonly from: "middle" | undefined;
  },
): Promise<Map<string, InputStatistics>> {
  if (sites.size === 0) return new Map();
  const { device } = model;
  using grams = new DisposableStack();
  const found = new Map<string, { gram: ReturnType<typeof device.gram>; tokens: number }>();
  const add = (x: DeviceBuffer, { site, rows, columns }: LinearInput, expert?: number) => {
    if (!sites.has(site)) return;
    const key = inputKey(site, expert);
    const one = found.get(key) ?? { gram: grams.use(device.gram(columns)), tokens: 0 };
    one.gram.add(x, rows);
    found.set(key, { gram: one.gram, tokens: one.tokens + rows });
  };
  // What a mixture reads as a whole is no linear layer's input.
  const mixed = (site: InputSite) => layer.experts !== undefined && (site === "mlp" || site === "down");
  const drifts = new Map<InputSite, Float64Array>(), copies = new Map<InputSite, Float32Array[]>();
  let window = 0;
  const observer: Intervention = {
    async input(x, at) {
      if (mixed(at.site)) return;
      add(x, at);
      if (sites.has(at.site)) await float?.add(x, at, window, drifts);
      if (!copied.has(at.site)) return;
      const own = copies.get(at.site) ?? [];
      copies.set(at.site, [...own, await device.read(x, 0, at.rows * at.columns)]);
    },
    expertInput: (x, at) => add(x, at, at.expert),
  };
  const context = await model.context([...rounds, observer], null, windows[0]?.length);
  // Products that no observed input depends on are left out.
  const last = Math.max(...inputSites.map((site, i) => sites.has(site) ? i : 0));
  const kept = inputSites.slice(0, last);
  const entries = Object.entries(layer.linears) as [LinearRole, Linear][];
  const needed = Object.fromEntries(entries.filter(([role]) => kept.includes(siteOfRole(role))));
  const experts = sites.has("mlp") || sites.has("down") ? layer.experts : undefined;
  const partial: LoadedLayer = { ...layer, linears: needed, experts };
  for (const [i, ids] of windows.entries()) {
    using states = device.allocate(hidden[i].length);
    device.copy(hidden[i], 0, states, 0, states.length);
    window = i;
    await runLayer(context, partial, states, ids.length, { from, to: inputSites[last] });
  }
  const statistics = new Map<string, InputStatistics>();
  for (const [key, { gram, tokens }] of found) {
    const sums = await gram.read();
    const what = () => `${model.name}: the calibration inputs of layer ${layer.index} (${key})`;
    requireNumbers(sums, sums.length, what);
    const drift = drifts.get(key as InputSite), inputs = copies.get(key as InputSite);
    statistics.set(key, {
      gram: sums,
      windows: windows.length,
      tokens,
      ...drift && { drift },
      ...inputs && { inputs },
    });
  }
  return statistics;
}
