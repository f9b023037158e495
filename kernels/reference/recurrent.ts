/** The operations of state-space layers by their definitions, in float64. */
import type { ConvolutionShape, ScanShape } from "../device.ts";

/** A causal convolution of each channel with its own taps. */
export function shortConvolution(
  x: Float32Array,
  kernel: Float32Array,
  bias: Float32Array | null,
  y: Float32Array,
  { tokens, channels, taps }: ConvolutionShape,
): void {
  for (let i = 0; i < tokens * channels; i++) {
    let sum = bias?.[i % channels] ?? 0;
    for (let k = 0; k < taps; k++) sum += kernel[k * channels + i % channels] * x[i + k * channels];
    y[i] = sum;
  }
}

/** The operands of a scan, as values. */
export type ScanValues = Readonly<
  Record<"x" | "step" | "input" | "output" | "decay" | "skip", Float32Array>
>;

/** The recurrence, token by token; `state` is rounded to float32 once, at the end. */
export function scan(
  { x, step, input, output, decay, skip }: ScanValues,
  state: Float32Array,
  y: Float32Array,
  { tokens, channels, states }: ScanShape,
): void {
  for (let c = 0; c < channels; c++) {
    const h = Float64Array.from(state.subarray(c * states, (c + 1) * states));
    for (let t = 0; t < tokens; t++) {
      const width = step[t * channels + c], value = x[t * channels + c];
      let sum = skip[c] * value;
      for (let n = 0; n < states; n++) {
        h[n] = Math.exp(width * decay[c * states + n]) * h[n] + width * input[t * states + n] * value;
        sum += output[t * states + n] * h[n];
      }
      y[t * channels + c] = sum;
    }
    state.set(h, c * states);
  }
}
