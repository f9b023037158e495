/**
 * Layer-by-layer quantization of weights with statistics of their inputs: each layer sees what the quantized layers
 * before it produce, and only one layer's statistics are in memory at a time.
 */
import type { DeviceBuffer } from "../kernels/device.ts";
import { type InputSite, type LinearRole, linearRoles, siteOfRole } from "../model/architecture.ts";
import { type LoadedLayer, runLayer } from "../model/decoder.ts";
import type { Intervention } from "../model/intervention.ts";
import { linearKey, type Model } from "../model/model.ts";
import type { Linear, Parameter } from "../model/parameter.ts";
import type { InputStatistics } from "./method.ts";

/** Quantizes one linear layer given the statistics of its input. */
export type QuantizeLinear = (
  layer: number,
  role: LinearRole,
  input: InputStatistics,
) => Promise<Parameter<Linear>>;

const sitesInOrder: readonly InputSite[] = ["attention", "output", "mlp", "down"];

/** Roles that are quantized on the same statistics, in order. */
function stages(model: Model, sequential: boolean): LinearRole[][] {
  const roles = linearRoles(model.architecture);
  if (!sequential) return [roles];
  return sitesInOrder.map((site) => roles.filter((role) => siteOfRole(role) === site));
}

/**
 * Quantizes all linear layers. `sequential` recomputes the statistics after each of a layer's four blocks
 * (the reference's "true sequential"); otherwise all blocks of a layer share one full-precision forward pass.
 */
export async function quantizeLayerwise(
  model: Model,
  windows: readonly Int32Array[],
  sequential: boolean,
  quantizeLinear: QuantizeLinear,
): Promise<Map<string, Parameter<Linear>>> {
  const { architecture } = model;
  const result = new Map<string, Parameter<Linear>>();
  const hidden = await Promise.all(windows.map((ids) => model.embed(ids)));
  try {
    for (let index = 0; index < architecture.layers; index++) {
      let layer = await model.loadLayer(index);
      for (const roles of stages(model, sequential)) {
        const statistics = await inputStatistics(
          model,
          layer,
          windows,
          hidden,
          new Set(roles.map(siteOfRole)),
        );
        for (const role of roles) {
          const input = statistics.get(siteOfRole(role));
          if (input === undefined) continue;
          const parameter = await quantizeLinear(index, role, input);
          result.set(linearKey(index, role), parameter);
          layer = { ...layer, linears: { ...layer.linears, [role]: await parameter.load() } };
        }
      }
      // Nobody looks at what the last layer produces.
      if (index + 1 < architecture.layers) {
        const context = await model.context([], null, windows[0]?.length);
        for (const [i, ids] of windows.entries()) await runLayer(context, layer, hidden[i], ids.length);
      }
      if (model.streaming) {
        for (const role of linearRoles(architecture)) result.get(linearKey(index, role))?.evict();
      }
      model.leaveLayer(index);
    }
  } finally {
    for (const states of hidden) states[Symbol.dispose]();
  }
  return result;
}

/** Runs a layer over all windows, without keeping its output, and sums `X^T X` of the inputs of some sites. */
async function inputStatistics(
  model: Model,
  layer: LoadedLayer,
  windows: readonly Int32Array[],
  hidden: readonly DeviceBuffer[],
  sites: ReadonlySet<InputSite>,
): Promise<Map<InputSite, InputStatistics>> {
  const { device } = model;
  using grams = new DisposableStack();
  const bySite = new Map<InputSite, ReturnType<typeof device.gram>>();
  const observer: Intervention = {
    input(x, { site, rows, columns }) {
      if (!sites.has(site)) return;
      const gram = bySite.get(site) ?? grams.use(device.gram(columns));
      bySite.set(site, gram);
      gram.add(x, rows);
    },
  };
  const context = await model.context([observer], null, windows[0]?.length);
  // Products that no observed input depends on are left out.
  const last = Math.max(...sitesInOrder.map((site, i) => sites.has(site) ? i : 0));
  const kept = sitesInOrder.slice(0, last);
  const entries = Object.entries(layer.linears) as [LinearRole, Linear][];
  const needed = Object.fromEntries(entries.filter(([role]) => kept.includes(siteOfRole(role))));
  const partial: LoadedLayer = { ...layer, linears: needed };
  let tokens = 0;
  for (const [i, ids] of windows.entries()) {
    using states = device.allocate(hidden[i].length);
    device.copy(hidden[i], 0, states, 0, states.length);
    await runLayer(context, partial, states, ids.length);
    tokens += ids.length;
  }
  const statistics = new Map<InputSite, InputStatistics>();
  for (const [site, gram] of bySite) {
    statistics.set(site, { gram: await gram.read(), windows: windows.length, tokens });
  }
  return statistics;
}
