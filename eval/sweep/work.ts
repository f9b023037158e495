/** What a cell has to do, counted from the model's configuration, the scheme and the windows. */
import { type Architecture, linearRoles, linearShape, rolesOfSite } from "../../model/architecture.ts";
import type { Tagged } from "../../quant/method.ts";
import { operandSites, type Scheme } from "../../quant/scheme.ts";

/** Lengths of the windows of a cell. */
export interface Texts {
  /** Tokens of each scored window. */
  readonly windows: readonly number[];
  /** Tokens of each calibration window. */
  readonly calibration: readonly number[];
}

/**
 * Amounts of work by kind. A device does each kind at a rate of its own:
 * - `layers`: calls of a decoder layer, whatever their size;
 * - `products`: multiplications of matrix products, of `attention`: of attention scores and values;
 * - `logits`: log-probabilities that are normalized, read and compared;
 * - `rounded`: activations that are rounded on the fly, `scores`: attention probabilities that are;
 * - `weights.METHOD`: weights, `columns.METHOD`: weights times the columns that each of their errors is spread over,
 *   `grams`: multiplications of input statistics;
 * - `linears.METHOD`: multiplications in linear layers that a method owns, `cache.METHOD`: values that go through a cache.
 */
export type Work = Readonly<Record<string, number>>;

/** Weights of the linear layers of a decoder layer. */
function layerWeights(architecture: Architecture): number {
  return linearRoles(architecture).reduce((sum, role) => {
    const [outFeatures, inFeatures] = linearShape(architecture, role);
    return sum + outFeatures * inFeatures;
  }, 0);
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const bitsOf = (scheme: Tagged) => "bits" in scheme && typeof scheme.bits === "number" ? scheme.bits : 1;

/** Counts the work of a cell. Quantizers that need input statistics run the model over the calibration windows. */
export function workOf(architecture: Architecture, scheme: Scheme, { windows, calibration }: Texts): Work {
  const { layers, hiddenSize, vocabularySize, heads, kvHeads, headDim } = architecture;
  const tokens = sum(windows), weights = layers * layerWeights(architecture);
  const work: Record<string, number> = {};
  const add = (kind: string, amount: number) => work[kind] = (work[kind] ?? 0) + amount;
  const forward = (lengths: readonly number[]) => {
    add("layers", layers * lengths.length);
    add("products", sum(lengths) * weights);
    add("attention", layers * heads * headDim * sum(lengths.map((length) => length * (length + 1))));
  };

  forward(windows);
  add("products", tokens * vocabularySize * hiddenSize);
  add("logits", tokens * vocabularySize);
  for (const site of operandSites) {
    if (scheme[site] === undefined) continue;
    const perToken = {
      activations: sum(Object.values(rolesOfSite).map(([role]) => linearShape(architecture, role)[1])),
      keyBeforeRotary: kvHeads * headDim,
      query: heads * headDim,
      key: kvHeads * headDim,
      value: kvHeads * headDim,
      scores: 0,
    }[site];
    add("rounded", layers * tokens * perToken);
    if (site === "scores") add("scores", layers * heads * sum(windows.map((length) => length * length)));
  }
  if (scheme.kv !== undefined) add(`cache.${scheme.kv.method}`, 2 * layers * tokens * kvHeads * headDim);
  if (scheme.linears !== undefined) {
    add(`weights.${scheme.linears["method"]}`, weights);
    add(`linears.${scheme.linears["method"]}`, tokens * weights);
  }
  for (const { method } of scheme.transforms ?? []) {
    add(`weights.${method}`, weights);
    forward(calibration);
  }
  const quantizer: Tagged | undefined = scheme.weights;
  if (quantizer !== undefined) {
    add(`weights.${quantizer.method}`, weights * (quantizer.method === "bcq" ? bitsOf(quantizer) : 1));
    if (compensates(quantizer)) {
      forward(calibration);
      for (const [site, [role]] of Object.entries(rolesOfSite)) {
        const columns = linearShape(architecture, role)[1];
        const rows = sum(
          rolesOfSite[site as keyof typeof rolesOfSite].filter((one) =>
            architecture.linears[one] !== undefined
          )
            .map((one) => linearShape(architecture, one)[0]),
        );
        add("grams", layers * sum(calibration) * columns ** 2);
        // Each column's error is spread over half of the columns on average; the factor costs columns^3 / 3 twice.
        add(`columns.${quantizer.method}`, layers * (rows * columns ** 2 / 2 + columns ** 3 * 2 / 3));
      }
    }
    if (quantizer.method === "awq") forward(calibration);
  }
  return work;
}

/** Whether a quantizer of weights spreads errors over other columns. */
export function compensates(scheme: Tagged): boolean {
  return ["gptq", "spqr", "qqq"].includes(scheme.method) ||
    ("compensation" in scheme && scheme.compensation !== undefined);
}
