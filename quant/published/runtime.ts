/** A model that others have quantized, as it runs: inputs of its linear layers and its cache rounded as its files say. */
import { own } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import type { DeviceBuffer } from "../../kernels/device.ts";
import {
  hasExperts,
  type InputSite,
  inputSites,
  layerLinears,
  layerRoles,
  rolesOfSite,
  tensorName,
} from "../../model/architecture.ts";
import type { Intervention, Operand } from "../../model/decoder/intervention.ts";
import { type Linear, Parameter } from "../../model/decoder/parameter.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import { heldWeight } from "../../model/checkpoint/stored.ts";
import { CheckpointError } from "../../model/files/error.ts";
import type { Model } from "../../model/model.ts";
import { textOf } from "../formats/compressed_tensors/settings.ts";
import type { CacheRule, InputRule, RuntimeScheme } from "../formats/source.ts";
import { Int8Linear, llmInt8 } from "../methods/llmint8.ts";
import { Int8Weight } from "../weights/int8.ts";
import { type Rounder, rounderOf } from "./rounding.ts";

/**
 * The model with its inputs and its cache rounded; the argument stays as it is and parameters are shared.
 *
 * @throws {CheckpointError} `config` for rounding that is not done here
 */
export function asPublished(model: Model, runtime: RuntimeScheme): Model {
  const rules = new Rules(model, runtime.inputs);
  const linears = int8Linears(model, rules), inputs = siteRounders(model, rules);
  const { architecture } = model;
  const headRule = rules.take(architecture.head, architecture.head !== architecture.embedding);
  const head = headRule && rounderOf(headRule, "inputs of the output projection", model.head.shape[1]);
  rules.requireNone();
  const intervention: Intervention = {
    ...inputs.size > 0 && {
      async input(x, { layer, site, rows, columns }) {
        await run(model, inputs.get(`${layer}.${site}`), x, rows, columns);
      },
      async expertInput(x, { layer, site, rows, columns, expert }) {
        await run(model, inputs.get(`${layer}.${site}.${expert}`), x, rows, columns);
      },
    },
    ...head !== undefined && {
      head: (x, { rows, columns }) => run(model, head, x, rows, columns),
    },
    ...runtime.cache && cacheRounders(model, runtime.cache),
  };
  const change = {
    published: {
      inputs: [...new Set([...runtime.inputs.values()].map(({ settings }) => textOf(settings)))],
      cache: runtime.cache?.settings ?? null,
    },
  };
  const interventions = Object.keys(intervention).length > 0 ? [intervention] : [];
  return model.with({ linears, interventions, change });
}

async function run(model: Model, round: Rounder | undefined, x: DeviceBuffer, rows: number, columns: number) {
  if (round === undefined) return;
  const data = await model.device.read(x, 0, rows * columns);
  round(data, rows);
  model.device.write(x, data);
}

/** The rules of a file by the names that the model has. */
class Rules {
  readonly #left: Set<string>;

  constructor(private readonly model: Model, private readonly inputs: ReadonlyMap<string, InputRule>) {
    this.#left = new Set(inputs.keys());
  }

  /** The rule of a linear layer by the name of its weight, which is then done. */
  take(weight: string, exists = true): InputRule | undefined {
    const key = this.#keyOf(weight);
    if (!exists || key === undefined) return undefined;
    this.#left.delete(key);
    return this.inputs.get(key);
  }

  /** The rule of a linear layer, left as it is. */
  find(weight: string): InputRule | undefined {
    const key = this.#keyOf(weight);
    return key === undefined ? undefined : this.inputs.get(key);
  }

  #keyOf(weight: string): string | undefined {
    const name = weight.replace(/\.weight$/, ""), rest = name.slice(name.indexOf("."));
    const isIt = (key: string) =>
      key === name || rest.startsWith(".") && key.endsWith(rest) || name.endsWith(`.${key}`);
    return this.inputs.has(name) ? name : [...this.inputs.keys()].find(isIt);
  }

  /** Nothing may be left over. */
  requireNone(): void {
    const [left] = this.#left;
    if (left === undefined) return;
    throw new CheckpointError(
      "config",
      `${this.model.name}: the inputs of ${left} are to be rounded, which is done of linear layers of decoder layers and the output projection: ` +
        `expected the option activations: "float", which leaves inputs and caches in full precision`,
    );
  }
}

/** LLM.int8() multiplies integers: its linear layers are others. */
function int8Linears(model: Model, rules: Rules): Map<string, Parameter<Linear>> {
  const { architecture, device } = model, replaced = new Map<string, Parameter<Linear>>();
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role, expert } of layerLinears(architecture, layer)) {
      const { name, shape, stored } = model.linear(layer, role, expert);
      const threshold = own(rules.find(name)?.settings ?? {}, "llmInt8");
      if (threshold === undefined) continue;
      if (stored === undefined) {
        throw new CheckpointError(
          "config",
          `${name}: LLM.int8() of linear layers that share a tensor is not done here: expected the option activations: "float"`,
        );
      }
      rules.take(name);
      const read = async () => {
        const weight = await heldWeight(stored);
        if (weight instanceof Int8Weight) return weight;
        throw new CheckpointError("config", `${name}: LLM.int8() multiplies weights of int8, found others`);
      };
      const scheme = llmInt8({ threshold: Number(threshold) }),
        bias = expert === undefined ? model.bias(layer, role) : null;
      const values = async () => (await read()).dequantize();
      const build = async () => new Int8Linear(device, await read(), scheme, null, await bias?.() ?? null);
      replaced.set(
        linearKey(layer, role, expert),
        new Parameter<Linear>(name, shape, values, build, stored).asOriginal(),
      );
    }
  }
  return replaced;
}

/** The rounding of each site of each layer. */
function siteRounders(model: Model, rules: Rules): Map<string, Rounder> {
  const { architecture } = model, rounders = new Map<string, Rounder>();
  for (let layer = 0; layer < architecture.layers; layer++) {
    const present = layerRoles(architecture, layer);
    for (const site of inputSites) {
      const roles = rolesOfSite[site].filter((role) => present.includes(role));
      const names = roles.map((role) => tensorName(architecture.linears[role]?.weight ?? "", layer));
      const rule = sharedRule(model, site, names, rules);
      if (rule === undefined) continue;
      const [, columns] = model.linear(layer, roles[0]).shape;
      rounders.set(`${layer}.${site}`, rounderOf(rule, `inputs of ${names[0]}`, columns));
    }
    const { experts } = architecture;
    if (experts === undefined || !hasExperts(architecture, layer)) continue;
    for (let expert = 0; expert < experts.count; expert++) {
      for (const [site, roles] of [["mlp", ["gate", "up"]], ["down", ["down"]]] as const) {
        const names = roles.map((role) =>
          tensorName(experts.linears[role].weight, layer).replace("{expert}", String(expert))
        );
        const rule = sharedRule(model, site, names, rules);
        if (rule === undefined) continue;
        const [, columns] = model.linear(layer, roles[0], expert).shape;
        rounders.set(`${layer}.${site}.${expert}`, rounderOf(rule, `inputs of ${names[0]}`, columns));
      }
    }
  }
  return rounders;
}

/** The one rule of linear layers that share an input. */
function sharedRule(
  model: Model,
  site: InputSite,
  names: readonly string[],
  rules: Rules,
): InputRule | undefined {
  const found = names.map((name) => rules.take(name));
  const [first] = found;
  const textOfRule = (rule: InputRule | undefined) => rule && textOf({ ...rule });
  const other = found.findIndex((rule) => textOfRule(rule) !== textOfRule(first));
  if (other >= 0) {
    throw new CheckpointError(
      "config",
      `${model.name}: ${names[0]} and ${
        names[other]
      } share the input of "${site}", which is to be rounded in two ways: ` +
        `${show(found.map((rule) => rule ?? null))}: expected one, or the option activations: "float"`,
    );
  }
  return first?.settings.llmInt8 === undefined ? first : undefined;
}

/** Keys, rotated, and values, each with the scale of its layer. */
function cacheRounders(model: Model, { settings, scales }: CacheRule): Intervention {
  const { layers, kvHeads, headDim } = model.architecture;
  const rounders = Array.from({ length: layers }, (_, layer) => {
    const found = scales.get(layer);
    if (found === undefined) {
      throw new CheckpointError(
        "config",
        `${model.name}: kv_cache_scheme without a k_scale of layer ${layer}`,
      );
    }
    return found.map((scale) =>
      rounderOf({ settings, scale }, `keys and values of layer ${layer}`, kvHeads * headDim)
    );
  });
  const act = (which: 0 | 1) => (x: DeviceBuffer, { layer, tokens, heads, headDim }: Operand) =>
    run(model, rounders[layer][which], x, tokens, heads * headDim);
  return { key: act(0), value: act(1) };
}
