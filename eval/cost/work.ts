/** What a cell has to do, counted from the model's configuration, the scheme and the windows. */
import {
  type Architecture,
  type LinearRole,
  linearRoles,
  linearShape,
  siteOfRole,
} from "../../model/architecture.ts";
import type { MethodCost } from "../../quant/method.ts";
import type { Tagged } from "../../quant/options.ts";
import { needsGram, resolveScheme } from "../../quant/quantize/resolve.ts";
import { operandSites, type Scheme } from "../../quant/scheme.ts";

/** Lengths of the windows of a cell. */
export interface WindowLengths {
  /** Tokens of each scored window. */
  readonly windows: readonly number[];
  /** Tokens of each calibration window. */
  readonly calibration: readonly number[];
}

/**
 * Amounts of work by kind. A device does each kind at a rate of its own. To score:
 * - `calls`: decoder layers times windows, `states`: values that a layer passes on, element by element;
 * - `products`: multiplications in linear layers, `attention`: in scores and values of attention;
 * - `logits`: log-probabilities that are normalized, read and compared;
 * - `rounded`: activations that are rounded on the fly, attention probabilities included;
 * - `decoded.METHOD`: weights that are made of their codes when they are first used;
 * - `linears.METHOD`: multiplications in linear layers that a method owns, `cache.METHOD`: values that go through a cache.
 *
 * To quantize:
 * - `weights.METHOD`: weights that it looks at, for a code of several bits once per bit;
 * - `products` of calibration, and `tokens.METHOD`: calibration tokens times weights, for what else a method does with them;
 * - `columns.METHOD`: weights times the columns that the error of each is spread over.
 *
 * Methods that may have many ranges in a row count twice: `rtn` and `rtn in groups`.
 */
export type Work = Readonly<Record<string, number>>;

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

/** Rows and columns of the linear layers of a decoder layer. */
function shapesOf(architecture: Architecture): { role: LinearRole; rows: number; columns: number }[] {
  return linearRoles(architecture).map((role) => {
    const [rows, columns] = linearShape(architecture, role);
    return { role, rows, columns };
  });
}

/** Weights of all linear layers but the output projection. */
export function linearWeights(architecture: Architecture): number {
  return architecture.layers * total(shapesOf(architecture).map(({ rows, columns }) => rows * columns));
}

/** Features that enter the linear layers of a decoder layer, those that share an input counted once. */
export function inputFeatures(architecture: Architecture): number[] {
  return [
    ...new Map(shapesOf(architecture).map(({ role, columns }) => [siteOfRole(role), columns])).values(),
  ];
}

/** What scoring the windows takes. */
export function scoringWork(architecture: Architecture, scheme: Scheme, { windows }: WindowLengths): Work {
  const { layers, hiddenSize, intermediateSize, vocabularySize, heads, kvHeads, headDim } = architecture;
  const tokens = total(windows), pairs = total(windows.map((length) => length ** 2)), kv = kvHeads * headDim;
  const features = {
    activations: total(inputFeatures(architecture)),
    keyBeforeRotary: kv,
    query: heads * headDim,
    key: kv,
    value: kv,
    scores: heads * pairs / tokens,
  };
  const products = tokens * linearWeights(architecture);
  return {
    calls: layers * windows.length,
    states: layers * tokens * (hiddenSize + intermediateSize),
    products: (scheme.linears === undefined ? products : 0) + tokens * vocabularySize * hiddenSize,
    attention: layers * heads * headDim * pairs,
    logits: tokens * vocabularySize,
    rounded: layers * tokens * total(operandSites.map((site) => scheme[site] ? features[site] : 0)),
    ...scheme.weights && { [`decoded.${kindOf(scheme.weights)}`]: linearWeights(architecture) },
    ...scheme.linears && { [`linears.${scheme.linears["method"]}`]: products },
    ...scheme.kv && { [`cache.${scheme.kv.method}`]: 2 * layers * tokens * kv },
  };
}

/** What making the quantized model takes. */
export function quantizingWork(
  architecture: Architecture,
  scheme: Scheme,
  { calibration }: WindowLengths,
): Work {
  const weights = linearWeights(architecture);
  const { transforms, linears, kv, ...resolved } = resolveScheme(scheme);
  const work: Record<string, number> = {};
  for (const part of [...transforms, resolved.weights, linears, kv]) {
    if (part === undefined) continue;
    const kind = kindOf(part.scheme);
    const cost = part.method.cost as MethodCost<Tagged> | undefined;
    work[`weights.${kind}`] = weights * (cost?.passes?.(part.scheme) ?? 1);
    work[`tokens.${kind}`] = total(calibration) * weights;
    const compensates = part === resolved.weights && needsGram(part);
    if (!compensates && !cost?.calibrates) continue;
    work.products = (work.products ?? 0) + total(calibration) * weights;
    if (!compensates) continue;
    // Each layer runs twice, for the statistics of its inputs and for the layer after it.
    const grams = architecture.layers * total(inputFeatures(architecture).map((columns) => columns ** 2));
    work.products += total(calibration) * (weights + grams);
    work[`columns.${kind}`] = architecture.layers *
      total(shapesOf(architecture).map(({ rows, columns }) => rows * columns ** 2));
  }
  return work;
}

/** The method, and whether it has many ranges in a row, which take longer than one. */
function kindOf(scheme: Tagged): string {
  return "granularity" in scheme && scheme.granularity === "group"
    ? `${scheme.method} in groups`
    : scheme.method;
}
