/**
 * Learned clipping of whole rows (OmniQuant's, made symmetric): two logits per row say how much of its largest and of its smallest weight a
 * scale covers, and follow the gradient of the layer's output error. Rounding passes gradients on as if it were not there, what is clamped
 * passes none. Logits and their steps are float64, products with the inputs' moments float32.
 */
import { exp, pow } from "../../../base/elementary.ts";
import type { Device } from "../../../kernels/device.ts";
import { roundHalfEven } from "../../../kernels/round.ts";
import type { InputStatistics, Matrix } from "../../method.ts";

/** How clipping is learned. */
export interface ClippingSettings {
  /** Steps of Adam. */
  readonly steps: number;
  /** Of Adam; its other constants are 0.9, 0.999 and 1e-8. */
  readonly learningRate: number;
  /** Logit that every row starts with: 4 covers 98.2% of the range. */
  readonly start: number;
}

/** What {@linkcode learnClipping} found. */
export interface Clipping {
  /** `[out]`: distance of neighbouring codes; 1 where a row is 0. */
  readonly scales: Float64Array;
  /** Logits of the largest, then of the smallest weight, `[2, out]`. */
  readonly logits: Float64Array;
  /** Squared output error before each step, as a share of the squared output. */
  readonly losses: number[];
  /** Gradient of the first step, `[2, out]`; empty without steps. */
  readonly firstGradient: Float64Array;
}

const sigmoid = (x: number) => 1 / (1 + exp(-x));

/** Largest and smallest weight of each row, as magnitudes, `[2, out]`. */
function extremes({ rows, columns, data }: Matrix): Float64Array {
  const reach = new Float64Array(2 * rows);
  for (let row = 0; row < rows; row++) {
    let least = Infinity, most = -Infinity;
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      least = Math.min(least, data[i]);
      most = Math.max(most, data[i]);
    }
    [reach[row], reach[rows + row]] = [Math.abs(most), Math.abs(least)];
  }
  return reach;
}

/**
 * `s = max(|gamma max W|, |beta min W|) / 7` with `gamma` and `beta` the sigmoids of what is learned for each row of a weight `[out, in]`
 * (OdysseyLLM, section 4.2); codes go from -8 to 7.
 */
export async function learnClipping(
  weight: Matrix,
  { gram, tokens }: Pick<InputStatistics, "gram" | "tokens">,
  { steps, learningRate, start }: ClippingSettings,
  device: Device,
): Promise<Clipping> {
  const { rows, columns, data } = weight, reach = extremes(weight);
  const logits = new Float64Array(2 * rows).fill(start), scales = new Float64Array(rows);
  const means = new Float64Array(2 * rows), squares = new Float64Array(2 * rows), losses: number[] = [];
  const gradient = new Float64Array(2 * rows);
  let firstGradient = new Float64Array();
  using moments = device.weight(Float32Array.from(gram, (value) => value / tokens), columns, columns);
  const product = async (values: Float32Array) => {
    using x = device.upload(values), y = device.allocate(values.length);
    device.linear(x, moments, null, y, rows);
    return await device.read(y);
  };
  const output = await product(data), energy = output.reduce((sum, value, i) => sum + value * data[i], 0);
  const covered = (i: number) => reach[i] * sigmoid(logits[i]);
  const setScales = () => {
    for (let row = 0; row < rows; row++) scales[row] = Math.max(covered(row), covered(rows + row)) / 7 || 1;
  };
  setScales();
  const errors = new Float32Array(data.length), slopes = new Float64Array(data.length);
  for (let step = 1; step <= steps && energy > 0; step++) {
    for (let row = 0, i = 0; row < rows; row++) {
      const scale = scales[row];
      for (const end = i + columns; i < end; i++) {
        const x = data[i] / scale, rounded = roundHalfEven(x);
        const code = rounded < -8 ? -8 : rounded > 7 ? 7 : rounded;
        errors[i] = scale * code - data[i];
        // By the scale, a value moves as its code does, less what rounding is thought to take back.
        slopes[i] = code === rounded ? code - x : code;
      }
    }
    const pulled = await product(errors);
    let loss = 0;
    for (let row = 0; row < rows; row++) {
      let slope = 0;
      for (let i = row * columns; i < (row + 1) * columns; i++) {
        loss += errors[i] * pulled[i];
        slope += 2 * pulled[i] * slopes[i];
      }
      const upper = covered(row), lower = covered(rows + row);
      // The larger end gives the scale; equal ends share it.
      const shares = [
        upper > lower ? 1 : upper < lower ? 0 : 0.5,
        upper < lower ? 1 : upper > lower ? 0 : 0.5,
      ];
      for (const [end, share] of shares.entries()) {
        const i = end * rows + row, part = sigmoid(logits[i]);
        gradient[i] = share * slope / energy * reach[i] / 7 * part * (1 - part);
      }
    }
    losses.push(loss / energy);
    if (step === 1) firstGradient = gradient.slice();
    for (let i = 0; i < logits.length; i++) {
      means[i] = 0.9 * means[i] + 0.1 * gradient[i];
      squares[i] = 0.999 * squares[i] + 0.001 * gradient[i] ** 2;
      const [mean, square] = [means[i] / (1 - pow(0.9, step)), squares[i] / (1 - pow(0.999, step))];
      logits[i] -= learningRate * mean / (Math.sqrt(square) + 1e-8);
    }
    setScales();
  }
  return { scales, logits, losses, firstGradient };
}
