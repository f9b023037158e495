/**
 * The search for formats and biases of one linear layer (section 4 of the paper; order of the steps as in its code).
 *
 * A candidate bias is `gamma` times the one that covers the largest magnitude. What decides is the squared error of the layer's output over
 * the calibration tokens: of one row's output for the bias of that row, of all for everything else.
 */
import { roundHalfEven } from "../../../kernels/round.ts";
import type { Device, DeviceWeight } from "../../../kernels/device.ts";
import type { Matrix } from "../../method.ts";
import {
  biasOf,
  type FloatShape,
  gridOf,
  roundColumns,
  roundRun,
  shapesOf,
  shiftedBiases,
} from "./format.ts";

/** What a search is given. */
export interface SearchRule {
  /** Bits of weights. */
  readonly bits: number;
  /** Bits of activations. */
  readonly activationBits: number;
  /** Format of weights before the search. */
  readonly weightStart: FloatShape;
  /** Format of activations before the search. */
  readonly activationStart: FloatShape;
  /** One bias for an input, or one and an integer for each of its channels, or none of this: what covers the largest magnitude. */
  readonly search: "channel" | "tensor" | "none";
  /** How often weights and activations are searched in turn. */
  readonly rounds: number;
  /** The candidates' factors. */
  readonly factors: Float32Array;
  /**
   * Whether formats are applied as in the original code: with a number past the largest ({@linkcode FloatShape}), and the one that was found
   * for 8-bit activations with two bits of exponent more than it was searched with.
   */
  readonly original: boolean;
}

/** A format and the biases that go with it: of each row of a weight. */
export interface WeightFit {
  /** The format. */
  readonly shape: FloatShape;
  /** `[rows]` */
  readonly biases: Float32Array;
}

/** How an input is rounded. */
export interface InputFit {
  /** The format. */
  readonly shape: FloatShape;
  /** The bias of the tensor. */
  readonly rho: number;
  /** `[columns]`: the bias of each channel. */
  readonly biases: Float32Array;
}

/** What a search found. */
export interface LinearFit {
  /** Of the weight. */
  readonly weight: WeightFit;
  /** Of the input. */
  readonly input: InputFit;
  /** The mean squared error of the output. */
  readonly error: number;
}

/** Values of candidates that are multiplied at once. */
const atOnce = 1 << 22;

/** Searches one linear layer: `x` are its inputs on the calibration text. */
export async function searchLinear(
  device: Device,
  weight: Matrix,
  x: Matrix,
  rule: SearchRule,
): Promise<LinearFit> {
  const maxima = columnMaxima(x), rows = rowMaxima(weight);
  const cover = (shape: FloatShape) => rows.map((most) => biasOf(most, shape));
  const inputAt = (shape: FloatShape, scale = (bias: number) => bias): InputFit => {
    if (rule.search !== "channel") {
      const rho = scale(biasOf(maxima.reduce((a, b) => Math.max(a, b), 0), shape));
      return { shape, rho, biases: new Float32Array(x.columns).fill(rho) };
    }
    const own = maxima.map((most) => most === 0 ? Infinity : biasOf(most, shape));
    const least = own.reduce((a, b) => Math.min(a, b), Infinity);
    const rho = scale(Number.isFinite(least) ? least : biasOf(1, shape));
    return { shape, rho, biases: shiftedBiases(own, rho, shape) };
  };
  let current: WeightFit = { shape: rule.weightStart, biases: cover(rule.weightStart) };
  let input = inputAt(rule.activationStart);
  const products = new Products(device, weight, x);
  await products.prepare();
  if (rule.search !== "none") {
    const shapes = shapesOf(rule.bits), inputShapes = shapesOf(rule.activationBits);
    let fits: WeightFit[] = [], inputs: InputFit[] = [], chosen = -1, chosenInput = -1;
    const applied = (fit: InputFit): InputFit => {
      if (!rule.original) return fit;
      const shape = appliedShape(fit.shape, rule.activationBits);
      // The original keeps the channels' own biases, those of the format that was searched.
      const own = maxima.map((most) => most === 0 ? Infinity : biasOf(most, fit.shape));
      const biases = rule.search === "channel" ? shiftedBiases(own, fit.rho, shape) : fit.biases;
      return { ...fit, shape, biases };
    };
    const steps = {
      weightBias: async () => {
        fits = [];
        for (const shape of shapes) {
          fits.push({ shape, biases: await products.rowBiases(shape, cover(shape), rule.factors, input) });
        }
        // From the second round on, the format in use takes its new biases at once, and not when it is chosen again.
        if (chosen >= 0) current = { ...current, biases: fits[chosen].biases };
      },
      weightFormat: async () => {
        chosen = await products.bestWeight(fits, input);
        const best = fits[chosen];
        current = rule.original ? { ...best, shape: { ...best.shape, past: true } } : best;
      },
      inputBias: async () => {
        inputs = [];
        for (const shape of inputShapes) {
          const candidates = Array.from(
            rule.factors,
            (gamma) => inputAt(shape, (bias) => Math.fround(gamma * bias)),
          );
          inputs.push(candidates[await products.bestInput(candidates, current)]);
        }
        if (chosenInput >= 0) input = renewed(input, applied(inputs[chosenInput]), rule);
      },
      inputFormat: async () => {
        chosenInput = await products.bestInput(inputs, current);
        input = applied(inputs[chosenInput]);
      },
    };
    const order = rule.search === "channel"
      ? [steps.weightBias, steps.inputBias, steps.weightFormat, steps.inputFormat]
      : [steps.weightBias, steps.weightFormat, steps.inputBias, steps.inputFormat];
    for (let round = 0; round < rule.rounds; round++) for (const step of order) await step();
  }
  return { weight: current, input, error: await products.error(current, input) };
}

/**
 * An input with the bias that was found for its format in a later round. The original then still takes off the integer of the bias before:
 * until its format is chosen anew, all channels are off by the difference.
 */
function renewed(before: InputFit, found: InputFit, { original, search }: SearchRule): InputFit {
  const off = original && search === "channel" ? roundHalfEven(found.rho) - roundHalfEven(before.rho) : 0;
  return off === 0 ? found : { ...found, biases: found.biases.map((bias) => bias + off) };
}

/** How the original code applies a format that it found for an input or an embedding. */
export function appliedShape({ exponent, mantissa }: FloatShape, bits: number): FloatShape {
  return { exponent: bits === 8 ? exponent + 2 : exponent, mantissa, past: true };
}

/** Products of rounded weights and inputs, and how far they are from those of float ones. */
class Products {
  #wanted: Float32Array = new Float32Array(0);

  constructor(
    private readonly device: Device,
    private readonly weight: Matrix,
    private readonly x: Matrix,
  ) {}

  async prepare(): Promise<void> {
    using matrix = this.device.weight(this.weight.data, this.weight.rows, this.weight.columns);
    this.#wanted = await this.#product(this.x.data, matrix);
  }

  async error(fit: WeightFit, input: InputFit): Promise<number> {
    using weight = this.#weightOf([fit]);
    return this.#totals(await this.#product(this.#inputOf(input), weight), 1)[0] / this.#wanted.length;
  }

  /** For each row, the best of the candidates `gamma * bias`; the first where they are equal. */
  async rowBiases(
    shape: FloatShape,
    covering: Float32Array,
    factors: Float32Array,
    input: InputFit,
  ): Promise<Float32Array> {
    const { rows } = this.weight, x = this.#inputOf(input);
    const best = covering.slice(), least = new Float64Array(rows).fill(Infinity);
    const perChunk = this.#perChunk(this.weight.data.length);
    for (let first = 0; first < factors.length; first += perChunk) {
      const fits = Array.from(factors.subarray(first, first + perChunk), (gamma) => ({
        shape,
        biases: covering.map((bias) => gamma * bias),
      }));
      using weight = this.#weightOf(fits);
      const sums = this.#columnSums(await this.#product(x, weight), fits.length);
      for (const [c, { biases }] of fits.entries()) {
        for (let row = 0; row < rows; row++) {
          if (sums[c * rows + row] >= least[row]) continue;
          least[row] = sums[c * rows + row];
          best[row] = biases[row];
        }
      }
    }
    return best;
  }

  async bestWeight(fits: readonly WeightFit[], input: InputFit): Promise<number> {
    const x = this.#inputOf(input), errors: number[] = [];
    for (const fit of fits) {
      using weight = this.#weightOf([fit]);
      errors.push(this.#totals(await this.#product(x, weight), 1)[0]);
    }
    return errors.indexOf(Math.min(...errors));
  }

  async bestInput(inputs: readonly InputFit[], fit: WeightFit): Promise<number> {
    using weight = this.#weightOf([fit]);
    const errors: number[] = [], size = this.x.data.length, perChunk = this.#perChunk(size);
    for (let first = 0; first < inputs.length; first += perChunk) {
      const some = inputs.slice(first, first + perChunk), data = new Float32Array(size * some.length);
      for (const [i, { shape, biases }] of some.entries()) {
        roundColumns(this.x, shape, biases, data, i * size);
      }
      errors.push(...this.#totals(await this.#product(data, weight), some.length));
    }
    return errors.indexOf(Math.min(...errors));
  }

  #perChunk(size: number): number {
    return Math.max(1, Math.floor(atOnce / Math.max(size, this.#wanted.length)));
  }

  #inputOf({ shape, biases }: InputFit): Float32Array {
    const data = new Float32Array(this.x.data.length);
    roundColumns(this.x, shape, biases, data);
    return data;
  }

  #weightOf(fits: readonly WeightFit[]): DeviceWeight {
    const { rows, columns, data } = this.weight, rounded = new Float32Array(fits.length * data.length);
    for (const [i, { shape, biases }] of fits.entries()) {
      const grid = gridOf(shape);
      for (let row = 0; row < rows; row++) {
        const from = row * columns;
        roundRun(data, from, columns, rounded, i * data.length + from, grid, biases[row]);
      }
    }
    return this.device.weight(rounded, fits.length * rows, columns);
  }

  async #product(x: Float32Array, weight: DeviceWeight): Promise<Float32Array> {
    const rows = x.length / this.x.columns;
    using from = this.device.upload(x), to = this.device.allocate(rows * weight.outFeatures);
    this.device.linear(from, weight, null, to, rows);
    return await this.device.read(to);
  }

  /** Squared errors summed over tokens, `[candidates, rows]`, of outputs `[tokens, candidates, rows]`. */
  #columnSums(out: Float32Array, candidates: number): Float64Array {
    const { rows } = this.weight, wanted = this.#wanted, sums = new Float64Array(candidates * rows);
    for (let token = 0, at = 0; token < this.x.rows; token++) {
      for (let c = 0, k = 0; c < candidates; c++) {
        for (let row = 0, want = token * rows; row < rows; row++, k++, want++, at++) {
          const error = out[at] - wanted[want];
          sums[k] += error * error;
        }
      }
    }
    return sums;
  }

  /** Squared errors summed over outputs `[candidates, tokens, rows]`, for each candidate. */
  #totals(out: Float32Array, candidates: number): number[] {
    const wanted = this.#wanted;
    return Array.from({ length: candidates }, (_, c) => {
      let sum = 0;
      for (let i = 0, at = c * wanted.length; i < wanted.length; i++, at++) {
        const error = out[at] - wanted[i];
        sum += error * error;
      }
      return sum;
    });
  }
}

/**
 * The search for a table of rows that nothing is multiplied with, the embedding: the best bias of each row, then the format with the least
 * error of all, both by the error of the values themselves.
 */
export function searchRows(table: Matrix, bits: number, factors: Float32Array): WeightFit {
  const { rows, columns, data } = table, most = rowMaxima(table), rounded = new Float32Array(columns);
  let best: WeightFit | undefined, least = Infinity;
  for (const shape of shapesOf(bits)) {
    const grid = gridOf(shape), biases = new Float32Array(rows);
    let total = 0;
    for (let row = 0; row < rows; row++) {
      const covering = biasOf(most[row], shape);
      let rowLeast = Infinity;
      for (const gamma of factors) {
        const bias = Math.fround(gamma * covering);
        roundRun(data, row * columns, columns, rounded, 0, grid, bias);
        let sum = 0;
        for (let i = 0; i < columns; i++) sum += (rounded[i] - data[row * columns + i]) ** 2;
        if (sum >= rowLeast) continue;
        rowLeast = sum;
        biases[row] = bias;
      }
      total += rowLeast;
    }
    if (best !== undefined && total >= least) continue;
    least = total;
    best = { shape, biases };
  }
  return best ?? { shape: shapesOf(bits)[0], biases: new Float32Array(rows) };
}

/** The largest magnitude of each row. */
export function rowMaxima({ rows, columns, data }: Matrix): Float32Array {
  return Float32Array.from(
    { length: rows },
    (_, row) =>
      data.subarray(row * columns, (row + 1) * columns).reduce((most, x) => Math.max(most, Math.abs(x)), 0),
  );
}

function columnMaxima({ columns, data }: Matrix): Float32Array {
  const maxima = new Float32Array(columns);
  for (let i = 0, j = 0; i < data.length; i++, j = j + 1 === columns ? 0 : j + 1) {
    maxima[j] = Math.max(maxima[j], Math.abs(data[i]));
  }
  return maxima;
}
