/** AffineQuant's matrices folded into a block, and where they start. */
import { pow } from "../../../base/elementary.ts";
import type { Architecture, LinearRole } from "../../../model/architecture.ts";
import type { Model } from "../../../model/model.ts";
import { activationMaxima } from "../../calibration/activation_maxima.ts";
import { activationMidpoints } from "../../calibration/activation_midpoints.ts";
import type { BlockParameters } from "../../gradients/block.ts";
import { type BlockNodes, foldEquivalents } from "../../gradients/equivalent.ts";
import type { Graph, Node } from "../../gradients/graph.ts";
import { clipLogits } from "../../gradients/transformed.ts";
import { roundToHalf } from "../../grids/precision.ts";
import type { Finished } from "../../resumption/finished.ts";
import { bandMask } from "./mask.ts";

/** Which matrices there are, and how they open. */
export interface AffineRules {
  /** Whether queries and keys are mixed by a matrix for each head, not scaled. */
  readonly mixQueries: boolean;
  /** Whether channels behind norms are mixed by a matrix, not scaled; only where activations are not rounded. */
  readonly mixChannels: boolean;
  /** What entries off the diagonal count. */
  readonly stability: number;
  /** Whether scales start from the largest weight of a column, or from its largest magnitude. */
  readonly start: "signed" | "magnitude";
}

const sites = ["attention", "output", "mlp"] as const;
const readers = { attention: ["q", "k", "v"], mlp: ["gate", "up"] } as const satisfies Record<
  string,
  readonly LinearRole[]
>;

/** Folds matrices, scales and shifts into a block's nodes; `<site>.undo` is what {@linkcode undoChannels} needs. */
export function foldAffine(
  graph: Graph,
  architecture: Architecture,
  { mixQueries, mixChannels, stability, epochs, equivalent }: AffineRules & {
    readonly epochs: number;
    readonly equivalent: boolean;
  },
  { block, nodes, learned, epoch }: {
    readonly block: BlockParameters;
    readonly nodes: BlockNodes;
    readonly learned: ReadonlyMap<string, Node>;
    readonly epoch: number;
  },
): void {
  const { headDim, hiddenSize } = architecture;
  const masked = (matrix: Node, size: number) =>
    graph.multiply(matrix, bandMask(size, epoch, epochs, stability));
  const plain = new Map(
    [...learned].filter(([name]) =>
      /^(attention|mlp)\./.test(name) ? !mixChannels : name.startsWith("queryKey.") && !mixQueries
    ),
  );
  for (const site of mixChannels && equivalent ? (["attention", "mlp"] as const) : []) {
    const matrix = masked(need(learned, `${site}.scale`), hiddenSize);
    shift(graph, nodes, `${site}Norm`, need(learned, `${site}.shift`), -1);
    for (const role of readers[site]) {
      const weight = block.get(role), node = nodes.get(role);
      if (weight === undefined || node === undefined) continue;
      shift(graph, nodes, role, graph.apply(weight, need(learned, `${site}.shift`)), 1);
      nodes.set(role, graph.mixColumns(node, matrix, hiddenSize));
    }
    nodes.set(`${site}.undo`, graph.inverse(matrix, hiddenSize));
  }
  foldEquivalents(graph, architecture, block, nodes, plain);
  const values = learned.get("output.scale"), d = learned.get("output.shift"), o = block.get("o");
  if (values !== undefined && d !== undefined && o !== undefined) {
    const matrix = masked(values, headDim), inverse = graph.inverse(matrix, headDim);
    shift(graph, nodes, "v", d, -1);
    for (const name of ["v", "v.bias"]) mixRows(graph, nodes, name, inverse, headDim, true);
    shift(graph, nodes, "o", graph.apply(o, d), 1);
    nodes.set("o", graph.mixColumns(need(nodes, "o"), matrix, headDim));
  }
  const queries = mixQueries ? learned.get("queryKey.scale") : undefined;
  if (queries === undefined) return;
  const matrix = masked(queries, headDim), inverse = graph.inverse(matrix, headDim);
  for (const name of ["q", "q.bias"]) mixRows(graph, nodes, name, inverse, headDim, true);
  for (const name of ["k", "k.bias"]) mixRows(graph, nodes, name, matrix, headDim, false);
}

/** Undoes the matrices behind norms in weights that are rounded by now. */
export function undoChannels(graph: Graph, nodes: BlockNodes): void {
  for (const site of ["attention", "mlp"] as const) {
    const undo = nodes.get(`${site}.undo`);
    for (const role of undo === undefined ? [] : readers[site]) {
      const node = nodes.get(role);
      if (node !== undefined && undo !== undefined) {
        nodes.set(role, graph.mixColumns(node, undo, Math.sqrt(undo.data.length)));
      }
    }
  }
}

function need(nodes: ReadonlyMap<string, Node>, name: string): Node {
  const node = nodes.get(name);
  if (node === undefined) throw new Error(`there is no ${name}`);
  return node;
}

/** Adds to a bias, or takes from it, also where there was none. */
function shift(graph: Graph, nodes: BlockNodes, name: string, by: Node, sign: 1 | -1): void {
  const bias = nodes.get(`${name}.bias`) ?? graph.leaf(new Float32Array(by.data.length));
  nodes.set(`${name}.bias`, graph.add(bias, by, sign));
}

function mixRows(
  graph: Graph,
  nodes: BlockNodes,
  name: string,
  matrix: Node,
  size: number,
  transposed: boolean,
): void {
  const node = nodes.get(name);
  if (node !== undefined) nodes.set(name, graph.mixRows(node, matrix, size, transposed));
}

/** Scales of the code: activations in float16, the largest weight of each column of one reader; matrices start with them on the diagonal. */
export async function affineStart(
  model: Model,
  { alpha, clip, bits, groupSize, equivalent, start, mixChannels, mixQueries }: AffineRules & {
    readonly alpha: number;
    readonly clip: boolean;
    readonly bits: number;
    readonly groupSize?: number;
    readonly equivalent: boolean;
  },
  windows: readonly Int32Array[],
  finished: Finished | null,
): Promise<(layer: number, block: BlockParameters) => Map<string, Float32Array>> {
  const { architecture } = model, { heads, headDim } = architecture;
  const logits = () =>
    clip && bits < 16 ? clipLogits(architecture, groupSize) : new Map<string, Float32Array>();
  if (!equivalent) return logits;
  const shifted = architecture.norm.kind === "layer";
  const maxima = await activationMaxima(model, windows, sites, finished);
  const middles = await activationMidpoints(model, shifted ? windows : [], sites);
  return (layer, block) => {
    const learned = new Map<string, Float32Array>(), width = heads * headDim;
    const ones = new Float32Array(width).fill(1);
    learned.set("queryKey.scale", mixQueries ? diagonals(ones, headDim) : ones);
    for (const [site, role] of [["attention", "q"], ["output", "o"], ["mlp", "up"]] as const) {
      const weight = block.get(role) ?? new Float32Array(), columns = columnsOf(architecture, site);
      const most = new Float32Array(columns).fill(-Infinity);
      for (const [i, value] of weight.entries()) {
        most[i % columns] = Math.max(most[i % columns], start === "signed" ? value : Math.abs(value));
      }
      const seen = maxima.get(`${layer}.${site}`) ?? new Float32Array(columns);
      const scales = seen.map((a, j) => {
        const half = roundToHalf(Math.max(roundToHalf(a), roundToHalf(1e-5)));
        return Math.max(
          1e-5,
          roundToHalf(pow(half, alpha)) / Math.fround(pow(Math.max(1e-5, most[j]), 1 - alpha)),
        );
      });
      const size = site === "output" ? headDim : columns, mixed = site === "output" || mixChannels;
      learned.set(`${site}.scale`, mixed ? diagonals(scales, size) : scales);
      const middle = middles.get(`${layer}.${site}`) ?? new Float32Array(columns);
      learned.set(`${site}.shift`, middle.map(roundToHalf));
    }
    return new Map([...learned, ...logits()]);
  };
}

const columnsOf = ({ hiddenSize, heads, headDim }: Architecture, site: (typeof sites)[number]) =>
  site === "output" ? heads * headDim : hiddenSize;

/** Matrices of `size` with values on their diagonals, one after the other. */
function diagonals(values: Float32Array, size: number): Float32Array {
  const all = new Float32Array(values.length * size);
  for (const [i, value] of values.entries()) all[i * size + i % size] = value;
  return all;
}
