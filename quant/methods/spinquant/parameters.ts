/**
 * Weights of a decoder as functions of its rotations, and back: with `R` of hidden states and `S` of a head's values,
 *
 *     q, k, gate, up: W R      v: S^T (W R) per head      o: R^T (W S) per head      down: R^T W
 *
 * and for `G`, the gradient of a loss with respect to such a product, the gradients with respect to `R` and `S`.
 */
import type { Device } from "../../../kernels/device.ts";
import type { Architecture, LinearRole } from "../../../model/architecture.ts";
import { product } from "../../gradients/attention.ts";
import type { BlockParameters } from "../../gradients/block.ts";

/** Rotations of a layer: hidden states `[hidden, hidden]`, values `[headDim, headDim]` or none. */
export interface LayerRotations {
  /** `R`. */
  readonly hidden: Float32Array;
  /** `S`. */
  readonly values: Float32Array | null;
}

/** Sums of gradients. */
export interface RotationGradients {
  /** With respect to `R`. */
  readonly hidden: Float64Array;
  /** With respect to `S` of one layer. */
  readonly values: Float64Array | null;
}

/** A layer whose norms are fused and whose rotations are still open. */
export class RotatedLayer {
  constructor(
    private readonly device: Device,
    private readonly architecture: Architecture,
    private readonly base: BlockParameters,
    private readonly rotations: LayerRotations,
  ) {}

  /** The parameters with the rotations in them. */
  async parameters(): Promise<Map<string, Float32Array>> {
    const { hiddenSize: n } = this.architecture, { hidden } = this.rotations;
    const rotated = new Map(this.base);
    for (const [name, values] of this.base) {
      const role = name.replace(".bias", "");
      if (name.endsWith(".bias") && (role === "o" || role === "down")) {
        rotated.set(name, await product(this.device, values, hidden, { m: 1, n, k: n }));
      } else if (role === "q" || role === "k" || role === "gate" || role === "up") {
        if (!name.endsWith(".bias")) rotated.set(name, await this.#read(values));
      } else if (role === "v") {
        rotated.set(
          name,
          await this.#rotateHeads(name.endsWith(".bias") ? values : await this.#read(values)),
        );
      } else if (role === "o" || role === "down") {
        const columns = values.length / n, open = role === "o" ? await this.#rotateValues(values) : values;
        rotated.set(
          name,
          await product(this.device, hidden, open, { m: n, n: columns, k: n, transposeA: true }),
        );
      }
    }
    return rotated;
  }

  /** Adds the gradients with respect to the rotations, given those with respect to the parameters. */
  async backward(gradients: BlockParameters, into: RotationGradients): Promise<void> {
    const { hiddenSize: n, headDim: d } = this.architecture, { device, rotations } = this;
    const addTo = (sum: Float64Array | null, one: Float32Array) => {
      if (sum !== null) { for (let i = 0; i < sum.length; i++) sum[i] += one[i]; }
    };
    for (const role of ["q", "k", "v", "o", "gate", "up", "down"] as const satisfies readonly LinearRole[]) {
      const weight = this.base.get(role), gradient = gradients.get(role);
      if (weight === undefined || gradient === undefined) continue;
      const bias = this.base.get(`${role}.bias`), dBias = gradients.get(`${role}.bias`);
      if (role === "o" || role === "down") {
        const columns = weight.length / n, open = role === "o" ? await this.#rotateValues(weight) : weight;
        addTo(into.hidden, await product(device, open, gradient, { m: n, n, k: columns, transposeB: true }));
        if (bias && dBias) addTo(into.hidden, await product(device, bias, dBias, { m: n, n, k: 1 }));
        if (role === "down" || rotations.values === null) continue;
        const turned = await product(device, rotations.hidden, weight, {
          m: n,
          n: columns,
          k: n,
          transposeA: true,
        });
        const shape = { m: d, n: d, k: turned.length / d, transposeA: true };
        addTo(into.values, await product(device, turned, gradient, shape));
        continue;
      }
      const read = { m: n, n, k: weight.length / n, transposeA: true };
      const dOpen = role === "v" ? await this.#rotateHeads(gradient, false) : gradient;
      addTo(into.hidden, await product(device, weight, dOpen, read));
      if (role !== "v" || rotations.values === null) continue;
      const pairs = [[await this.#read(weight), gradient], ...bias && dBias ? [[bias, dBias]] : []];
      for (const [open, d1] of pairs) {
        const columns = open.length / (this.architecture.kvHeads * d);
        for (let head = 0; head < open.length; head += d * columns) {
          const shape = { m: d, n: d, k: columns, transposeB: true };
          const part = (x: Float32Array) => x.subarray(head, head + d * columns);
          addTo(into.values, await product(device, part(open), part(d1), shape));
        }
      }
    }
  }

  /** `W R` */
  #read(weight: Float32Array): Promise<Float32Array> {
    const n = this.architecture.hiddenSize;
    return product(this.device, weight, this.rotations.hidden, { m: weight.length / n, n, k: n });
  }

  /** `W S` per head of the columns. */
  async #rotateValues(weight: Float32Array): Promise<Float32Array> {
    const { values } = this.rotations, d = this.architecture.headDim;
    return values === null
      ? weight
      : await product(this.device, weight, values, { m: weight.length / d, n: d, k: d });
  }

  /** `S^T W` per head of the rows, or `S W`. */
  async #rotateHeads(weight: Float32Array, transposeA = true): Promise<Float32Array> {
    const { values } = this.rotations, { headDim: d, kvHeads } = this.architecture;
    if (values === null) return weight;
    const rotated = new Float32Array(weight.length), size = weight.length / kvHeads;
    for (let start = 0; start < weight.length; start += size) {
      const part = weight.subarray(start, start + size), shape = { m: d, n: size / d, k: d, transposeA };
      rotated.set(await product(this.device, values, part, shape), start);
    }
    return rotated;
  }
}
