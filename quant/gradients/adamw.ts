/**
 * AdamW (Loshchilov and Hutter, 2019), in the forms of two libraries. transformers: decay after the step, `eps` beside the uncorrected
 * root. PyTorch: decay before the step, `eps` beside the corrected root.
 */

import { pow } from "../../base/elementary.ts";

/** Constants of {@linkcode AdamW}. */
export interface AdamWOptions {
  /** Size of a step. */
  readonly learningRate: number;
  /** Share of each parameter that is taken off per step, times the learning rate. */
  readonly weightDecay: number;
  /** Decay rates of the running means of gradients and of their squares. */
  readonly betas: readonly [number, number];
  /** Beside the root of the mean square. */
  readonly eps: number;
  /** Default `"transformers"`. */
  readonly form?: "transformers" | "torch";
}

/** What an optimizer has summed up, by parameter. */
export interface AdamWState {
  /** Steps that were done. */
  readonly steps: number;
  /** Running means of gradients. */
  readonly means: Readonly<Record<string, Float32Array>>;
  /** Running means of their squares. */
  readonly squares: Readonly<Record<string, Float32Array>>;
}

/** An optimizer of named parameters, which it changes in place. Everything is kept in float32. */
export class AdamW {
  #steps = 0;
  readonly #means = new Map<string, Float32Array>();
  readonly #squares = new Map<string, Float32Array>();

  /** Nothing is summed up yet. */
  constructor(
    private readonly parameters: ReadonlyMap<string, Float32Array>,
    private readonly options: AdamWOptions,
  ) {}

  /** One step against the gradients; parameters without one stay. `rateOf` stands in for the learning rate. */
  step(gradients: ReadonlyMap<string, Float32Array>, rateOf?: (name: string) => number): void {
    const { weightDecay, betas: [beta1, beta2], eps, form } = this.options;
    this.#steps++;
    const root = Math.sqrt(1 - pow(beta2, this.#steps)), corrected = 1 - pow(beta1, this.#steps);
    for (const [name, gradient] of gradients) {
      const parameter = this.parameters.get(name);
      if (parameter === undefined) continue;
      const learningRate = rateOf === undefined ? this.options.learningRate : rateOf(name);
      const size = learningRate * root / corrected;
      const mean = this.#state(this.#means, name, gradient.length);
      const square = this.#state(this.#squares, name, gradient.length);
      if (form === "torch") {
        const step = learningRate / corrected, kept = 1 - learningRate * weightDecay;
        for (let i = 0; i < gradient.length; i++) {
          mean[i] = beta1 * mean[i] + (1 - beta1) * gradient[i];
          square[i] = beta2 * square[i] + (1 - beta2) * gradient[i] * gradient[i];
          parameter[i] = parameter[i] * kept - step * mean[i] / (Math.sqrt(square[i]) / root + eps);
        }
        continue;
      }
      const decay = name.endsWith(".bias") ? 0 : learningRate * weightDecay;
      for (let i = 0; i < gradient.length; i++) {
        mean[i] = beta1 * mean[i] + (1 - beta1) * gradient[i];
        square[i] = beta2 * square[i] + (1 - beta2) * gradient[i] * gradient[i];
        parameter[i] -= size * mean[i] / (Math.sqrt(square[i]) + eps);
        parameter[i] -= decay * parameter[i];
      }
    }
  }

  /** What was summed up, copied. */
  state(): AdamWState {
    const copied = (of: ReadonlyMap<string, Float32Array>) =>
      Object.fromEntries([...of].map(([name, values]) => [name, values.slice()]));
    return { steps: this.#steps, means: copied(this.#means), squares: copied(this.#squares) };
  }

  /** Goes on from what {@linkcode state} gave. */
  restore({ steps, means, squares }: AdamWState): void {
    this.#steps = steps;
    for (const [name, values] of Object.entries(means)) this.#means.set(name, values.slice());
    for (const [name, values] of Object.entries(squares)) this.#squares.set(name, values.slice());
  }

  #state(of: Map<string, Float32Array>, name: string, length: number): Float32Array {
    const found = of.get(name) ?? new Float32Array(length);
    of.set(name, found);
    return found;
  }
}
