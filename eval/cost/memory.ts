/** The most bytes that a cell holds on the device, from the model's configuration: what `device.memory.peak` will say. */
import type { Architecture } from "../../model/architecture.ts";
import type { Tagged } from "../../quant/options.ts";
import {
  allWeights,
  needsGram,
  type ResolvedScheme,
  resolveScheme,
  weightsAt,
} from "../../quant/quantize/resolve.ts";
import type { Execution } from "../../quant/weights/linear.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { inputFeatures, linearShapes, linearWeights, type WindowLengths } from "./work.ts";

const float = 4, double = 8;
/** Room for the part of a weight that is being laid out. */
const stageBytes = 2 ** 22;

/**
 * Counts bytes of float32 weights, float and quantized (which the sweep holds side by side, to compare them), and the most
 * that activations, input statistics or logits take beside them.
 */
export function predictBytes(
  architecture: Architecture,
  scheme: Scheme,
  { windows, calibration }: WindowLengths,
  execution: Execution,
): number {
  const { hiddenSize, intermediateSize, vocabularySize, heads, kvHeads, headDim } = architecture;
  const weights = linearWeights(architecture);
  const resolved = resolveScheme(scheme), quantizers = allWeights(resolved);
  const changed = quantizers.length > 0 || resolved.linears !== undefined || resolved.transforms.length > 0;
  const one = execution === "packed" ? packedBytes(architecture, resolved) : weights * float;
  const copies = changed ? resolved.weights?.method.cost?.copies ?? 1 : 0;
  const head = vocabularySize * hiddenSize * float;
  const plain = weights * float + head;
  const held = plain + copies * one + (resolved.head.weights === undefined ? 0 : head);

  const longest = (lengths: readonly number[]) => lengths.reduce((a, b) => Math.max(a, b), 0);
  const tokens = longest(windows), calibrated = longest(calibration);
  const gated = architecture.linears.gate === undefined ? 1 : 2;
  const attention = (2 * heads + 2 * kvHeads) * headDim;
  // Hidden states, the block's input and output, and either attention's or the feed-forward block's matrices.
  const layer = (length: number) => length * (3 * hiddenSize + attention + gated * intermediateSize) * float;
  const scores = scheme.scores === undefined ? 0 : heads * tokens ** 2 * float;
  const logits = tokens * (2 * hiddenSize + vocabularySize) * float;
  // The output projection is loaded, through a buffer, when the float model scores its first window.
  const stage = Math.min(head, stageBytes);
  const scoring = Math.max(plain + logits + stage, held + Math.max(layer(tokens) + scores, logits));

  const compensates = quantizers.some(needsGram);
  const calibrates = resolved.weights?.method.cost?.calibrates || resolved.transforms.length > 0;
  if (!compensates && !calibrates) return scoring;
  const states = calibration.reduce((a, b) => a + b, 0) * hiddenSize * float;
  const grams = compensates
    ? inputFeatures(architecture).reduce((sum, columns) => sum + columns ** 2 * double, 0)
    : 0;
  return Math.max(scoring, held + states + grams + layer(calibrated));
}

/** Codes of quantized linear layers, and values of the others. */
function packedBytes(architecture: Architecture, scheme: ResolvedScheme): number {
  return linearShapes(architecture).reduce((sum, { layer, role, rows, columns }) => {
    const own: Tagged | undefined = weightsAt(scheme, layer, role)?.scheme;
    const bits = own === undefined ? 8 * float : "bits" in own && typeof own.bits === "number" ? own.bits : 8;
    return sum + rows * columns * bits / 8;
  }, 0);
}
