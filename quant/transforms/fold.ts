/**
 * Factors per channel that move between layers without changing what the model computes: the input of some linear
 * layers is divided by them, their columns are multiplied. The division costs nothing where it can be folded into what
 * made the input: the weight of a norm, the rows of the value projection, the rows of the up projection.
 */
import type { DeviceBuffer } from "../../kernels/device.ts";
import {
  type InputSite,
  type LinearRole,
  normReaders,
  rolesOfSite,
  tensorName,
} from "../../model/architecture.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import type { Model } from "../../model/model.ts";
import { denseLinear, type Linear, type Parameter, vectorParameter } from "../../model/decoder/parameter.ts";

/**
 * Whether a division of a site's input can be folded. A norm must feed nothing but linear layers. Values must reach the
 * output projection one to one, not shared by several query heads; an activation between up and down projection must be
 * homogeneous (`relu(x / s) = relu(x) / s`). A transform that runs for every token before the layers that read a site mixes its channels.
 */
export function isFoldable(
  { architecture, rotations }: Pick<Model, "architecture" | "rotations">,
  site: InputSite,
): boolean {
  const { heads, kvHeads, linears, activation, clip } = architecture;
  if (site === "output" && rotations.heads || site === "down" && rotations.down) return false;
  if (site === "convolved" || site === "step" || site === "scanned") return false;
  if (site === "attention" || site === "mlp" || site === "mixer") {
    return normReaders(architecture, site).length > 0;
  }
  if (site === "output") return heads === kvHeads && clip === undefined;
  return site !== "down" || linears.gate !== undefined || activation === "relu";
}

/** Something that was done to a folding. */
type Entry =
  | readonly [what: "scale", layer: number, site: InputSite, scales: Float32Array]
  | readonly [what: "weight", layer: number, role: LinearRole, values: Float32Array];

/** The factors that are to be folded into a model. */
export class Folding {
  #journal: Entry[] = [];
  readonly #weights = new Map<string, Float32Array>();
  readonly #biases = new Map<string, Float32Array>();
  readonly #vectors = new Map<string, Float32Array>();

  constructor(private readonly model: Model) {}

  /** The values of a weight `[out, in]` as they are by now. */
  async weight(layer: number, role: LinearRole): Promise<Float32Array> {
    return this.#weights.get(linearKey(layer, role)) ?? await this.model.linear(layer, role).values();
  }

  /** What was done since the last call, for {@linkcode replay}. */
  take(): unknown {
    const entries = this.#journal;
    this.#journal = [];
    return entries;
  }

  /** Does again what {@linkcode take} gave. */
  async replay(entries: unknown): Promise<void> {
    for (const [what, layer, where, values] of entries as readonly Entry[]) {
      if (what === "scale") await this.scale(layer, where, values);
      else this.setWeight(layer, where, values);
    }
    this.#journal = [];
  }

  /** Replaces the values of a weight. */
  setWeight(layer: number, role: LinearRole, values: Float32Array): void {
    this.#journal.push(["weight", layer, role, values]);
    this.#replace(layer, role, values);
  }

  #replace(layer: number, role: LinearRole, values: Float32Array): void {
    this.#weights.set(linearKey(layer, role), values);
  }

  /** Divides the input of a site by `scales` and multiplies the columns of all that read it. */
  async scale(layer: number, site: InputSite, scales: Float32Array): Promise<void> {
    const { architecture } = this.model;
    this.#journal.push(["scale", layer, site, scales]);
    const normed = site === "attention" || site === "mlp" || site === "mixer";
    for (const role of normed ? normReaders(architecture, site) : rolesOfSite[site]) {
      if (architecture.linears[role] === undefined) continue;
      const weight = await this.weight(layer, role);
      this.#replace(layer, role, weight.map((value, i) => value * scales[i % scales.length]));
    }
    if (site === "output") return await this.#divideRows(layer, "v", scales);
    if (site === "down") return await this.#divideRows(layer, "up", scales);
    const norm = site === "mlp" ? architecture.mlpNorm : architecture.attentionNorm;
    for (const template of [norm.weight, norm.bias]) {
      if (template === undefined) continue;
      const name = tensorName(template, layer);
      const old = this.#vectors.get(name) ?? await this.model.vector(name).values();
      this.#vectors.set(name, old.map((value, j) => value / scales[j]));
    }
  }

  async #divideRows(layer: number, role: LinearRole, scales: Float32Array): Promise<void> {
    const weight = await this.weight(layer, role), columns = weight.length / scales.length;
    this.#replace(layer, role, weight.map((value, i) => value / scales[Math.floor(i / columns)]));
    const bias = await this.model.bias(layer, role)?.();
    if (bias !== undefined) {
      this.#biases.set(
        linearKey(layer, role),
        bias.map((value, i) => value / scales[i]),
      );
    }
  }

  /** The model with everything folded in; `change` goes into its provenance. */
  apply(change: unknown): Model {
    const { model } = this, { device } = model;
    const linears = new Map<string, Parameter<Linear>>(),
      vectors = new Map<string, Parameter<DeviceBuffer>>();
    for (const [key, values] of this.#weights) {
      const [layer, role] = key.split(".") as [string, LinearRole];
      const { name, shape: [out, inputs] } = model.linear(Number(layer), role);
      const own = this.#biases.get(key);
      const bias = own === undefined ? model.bias(Number(layer), role) : () => Promise.resolve(own);
      linears.set(key, denseLinear(device, name, [out, inputs], () => Promise.resolve(values), bias));
    }
    for (const [name, values] of this.#vectors) {
      vectors.set(name, vectorParameter(device, name, () => Promise.resolve(values), [values.length]));
    }
    return model.with({ linears, vectors, biases: this.#biases, change });
  }
}
