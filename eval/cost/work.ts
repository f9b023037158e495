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
import {
  allWeights,
  type Bound,
  needsDrift,
  needsGram,
  operandAt,
  type ResolvedScheme,
  resolveScheme,
  weightsAt,
} from "../../quant/quantize/resolve.ts";
import { type OperandSite, operandSites, type Scheme } from "../../quant/scheme.ts";

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

/** All linear layers of all decoder layers. */
export function linearShapes(
  architecture: Architecture,
): { layer: number; role: LinearRole; rows: number; columns: number }[] {
  const shapes = shapesOf(architecture);
  return Array.from({ length: architecture.layers }, (_, layer) => shapes.map((one) => ({ layer, ...one })))
    .flat();
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
  const products = tokens * linearWeights(architecture), resolved = resolveScheme(scheme);
  return {
    calls: layers * windows.length,
    states: layers * tokens * (hiddenSize + intermediateSize),
    products: (scheme.linears === undefined ? products : 0) + tokens * vocabularySize * hiddenSize,
    attention: layers * heads * headDim * pairs,
    logits: tokens * vocabularySize,
    rounded: tokens *
      total(operandSites.map((site) => features[site] * roundedLayers(architecture, resolved, site))),
    ...decodedWork(architecture, resolved),
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
  const resolved = resolveScheme(scheme), { transforms, linears, kv } = resolved;
  const work: Record<string, number> = {};
  const add = (kind: string, amount: number) => work[kind] = (work[kind] ?? 0) + amount;
  const one = (part: Bound<unknown>, looked: number) => {
    const kind = kindOf(part.scheme), cost = part.method.cost as MethodCost<Tagged> | undefined;
    add(`weights.${kind}`, looked * (cost?.passes?.(part.scheme) ?? 1));
    add(`tokens.${kind}`, total(calibration) * looked);
    return cost?.calibrates ?? false;
  };
  const calibrated = total(calibration) * weights;
  for (const part of [...transforms, linears, kv]) {
    if (part !== undefined && one(part, weights)) add("products", calibrated);
  }
  const shapes = linearShapes(architecture);
  const partAt = new Map(shapes.map((shape) => [shape, weightsAt(resolved, shape.layer, shape.role)]));
  for (const part of new Set(partAt.values())) {
    if (part === undefined) continue;
    const own = shapes.filter((shape) => partAt.get(shape) === part);
    const calibrates = one(part, total(own.map(({ rows, columns }) => rows * columns)));
    if (calibrates && !needsGram(part)) add("products", calibrated);
    if (needsGram(part)) {
      add(
        `columns.${kindOf(part.scheme)}`,
        total(own.map(({ rows, columns }) => rows * columns ** 2)),
      );
    }
  }
  if (allWeights(resolved).some(needsGram)) {
    // Each layer runs twice, for the statistics of its inputs and for the layer after it.
    const grams = architecture.layers * total(inputFeatures(architecture).map((columns) => columns ** 2));
    add("products", 2 * calibrated + total(calibration) * grams);
    // The float model runs beside it, and the product of its inputs' differences is no symmetric one.
    if (allWeights(resolved).some(needsDrift)) add("products", calibrated + 2 * total(calibration) * grams);
  }
  return work;
}

/** Layers in which an operand is rounded. */
function roundedLayers(architecture: Architecture, scheme: ResolvedScheme, site: OperandSite): number {
  const layers = Array.from({ length: architecture.layers }, (_, layer) => layer);
  return layers.filter((layer) => operandAt(scheme, site, layer) !== undefined).length;
}

/** Weights that are made of their codes, by method. */
function decodedWork(architecture: Architecture, scheme: ResolvedScheme): Work {
  const work: Record<string, number> = {};
  for (const { layer, role, rows, columns } of linearShapes(architecture)) {
    const part = weightsAt(scheme, layer, role);
    if (part === undefined) continue;
    const kind = `decoded.${kindOf(part.scheme)}`;
    work[kind] = (work[kind] ?? 0) + rows * columns;
  }
  return work;
}

/** The method, and whether it has many ranges in a row, which take longer than one. */
function kindOf(scheme: Tagged): string {
  return "granularity" in scheme && scheme.granularity === "group"
    ? `${scheme.method} in groups`
    : scheme.method;
}
