/** Layers whose weights are finished, first to last, and the hidden states from which the rest goes on. */
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import type { Finished } from "./finished.ts";

type Weights = Record<string, StoredWeight>;

/** Weights of finished layers. Without a store nothing is finished, and nothing is kept. */
export class FinishedLayers {
  #fresh: Weights = {};

  private constructor(
    private readonly finished: Finished | null,
    private readonly layers: readonly Weights[],
    private readonly kept: readonly Float32Array[] | null,
  ) {}

  /** Reads what is there. */
  static async open(finished: Finished | null): Promise<FinishedLayers> {
    const layers: Weights[] = [];
    if (finished === null) return new FinishedLayers(finished, layers, null);
    for (;;) {
      const weights = await finished.read(`layer${layers.length}`) as Weights | undefined;
      if (weights === undefined) break;
      layers.push(weights);
    }
    const states = await finished.read(`states${layers.length}`) as Float32Array[] | undefined;
    return new FinishedLayers(finished, layers, states ?? null);
  }

  /** How many layers are finished. */
  get count(): number {
    return this.layers.length;
  }

  /** Hidden states `[tokens, hidden]` of each window before the first layer that is not finished, where they were kept. */
  get states(): readonly Float32Array[] | null {
    return this.kept;
  }

  /** The weight of a finished layer, by `linearKey`. */
  weight(layer: number, key: string): StoredWeight | undefined {
    return this.layers[layer]?.[key];
  }

  /** Takes a weight of the layer that is being worked on. */
  add(key: string, weight: StoredWeight): void {
    if (this.finished !== null) this.#fresh[key] = weight;
  }

  /** Keeps the layer that has been worked on, with the hidden states after it where the next layer needs them. */
  async close(layer: number, states?: () => Promise<readonly Float32Array[]>): Promise<void> {
    if (this.finished === null) return;
    // The weights come last: with them the layer is finished, and needs what came before no more.
    if (states !== undefined) await this.finished.write(`states${layer + 1}`, await states());
    if (layer >= this.count) await this.finished.write(`layer${layer}`, this.#fresh);
    await this.finished.drop(`states${layer}`);
    this.#fresh = {};
  }
}
