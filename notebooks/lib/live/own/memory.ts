/** Whether a model and itself requantized fit into the memory of a page. */
import type { Sizes } from "../../../../quant/weights/sizes.ts";

/** Tokens of a window that is compared, at most. */
export const longest = 128;

/** Bytes that a comparison takes, at most. */
export interface Need {
  /** Of the model as float32, its embedding twice where the output projection shares it, as devices hold it for look-ups and for products. */
  readonly model: number;
  /** Of the requantized linear layers, in codes of up to 8 bits with scales and zero points in groups of 32. */
  readonly codes: number;
  /** Of logits, their logarithms of probabilities and those of the other model, a window at a time. */
  readonly logits: number;
}

/** WebAssembly's 4 GiB less one page. */
export const room = 65535 * 65536;

/** What a model needs. */
export function needOf({ model, linear, parts }: Sizes, vocabulary: number): Need {
  const embedding = parts.filter(({ kind }) => kind === "embedding").reduce(
    (sum, one) => sum + one.weights,
    0,
  );
  const head = parts.some(({ kind }) => kind === "head");
  return {
    model: 4 * (model.weights + (head ? 0 : embedding)),
    codes: linear.weights * (8 + 40 / 32) / 8,
    logits: 3 * 4 * longest * vocabulary,
  };
}

/** Why a comparison does not fit, or null. */
export function roomFor({ model, codes, logits }: Need, weights: number): string | null {
  const bytes = model + codes + logits, gigabytes = (size: number) => `${(size / 1e9).toFixed(1)} GB`;
  if (bytes <= room) return null;
  const most = Math.floor(weights * room / bytes / 1e7) * 10;
  return `to compare its ${weights.toLocaleString("en")} weights takes ${gigabytes(bytes)} (${
    gigabytes(model)
  } of it ` +
    `the model in float32), and WebAssembly has ${
      gigabytes(room)
    }: a model like this may have about ${most} million`;
}
