/** AdamW (Loshchilov and Hutter, 2019) as in the transformers library: decay after the step, `eps` beside the uncorrected root. */

import { pow } from "../../base/elementary.ts";

/** Constants of {@linkcode AdamW}. */
export interface AdamWOptions {
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Decay rates of the running means of gradients and of their squares. */
  readonly betas: readonly [number, number];
  readonly eps: number;
}

/** An optimizer of named parameters, which it changes in place. Everything is kept in float32. */
export class AdamW {
  #steps = 0;
  readonly #means = new Map<string, Float32Array>();
  readonly #squares = new Map<string, Float32Array>();

  constructor(
    private readonly parameters: ReadonlyMap<string, Float32Array>,
    private readonly options: AdamWOptions,
  ) {}

  /** One step against the gradients; parameters without one stay. */
  step(gradients: ReadonlyMap<string, Float32Array>): void {
    const { learningRate, weightDecay, betas: [beta1, beta2], eps } = this.options;
    this.#steps++;
    const size = learningRate * Math.sqrt(1 - pow(beta2, this.#steps)) / (1 - pow(beta1, this.#steps));
    for (const [name, gradient] of gradients) {
      const parameter = this.parameters.get(name);
      if (parameter === undefined) continue;
      const mean = this.#state(this.#means, name, gradient.length);
      const square = this.#state(this.#squares, name, gradient.length);
      const decay = name.endsWith(".bias") ? 0 : learningRate * weightDecay;
      for (let i = 0; i < gradient.length; i++) {
        mean[i] = beta1 * mean[i] + (1 - beta1) * gradient[i];
        square[i] = beta2 * square[i] + (1 - beta2) * gradient[i] * gradient[i];
        parameter[i] -= size * mean[i] / (Math.sqrt(square[i]) + eps);
        parameter[i] -= decay * parameter[i];
      }
    }
  }

  #state(of: Map<string, Float32Array>, name: string, length: number): Float32Array {
    const found = of.get(name) ?? new Float32Array(length);
    of.set(name, found);
    return found;
  }
}
