/**
 * Equivalent transformations of a block as learned parameters (OmniQuant, Shao et al., ICLR 2024, section 3.3): channels of what a linear
 * layer reads are divided by a scale, after a shift was taken off, and what reads them makes up for it. The division is folded into the
 * norm, or into the rows of the layer before.
 *
 *     x W^T + b = ((x - d) / s) (W s)^T + (b + W d)
 *
 * Queries are divided by a scale and keys multiplied by it, channel by channel. Under rotary positions this is no equivalence unless both
 * channels of a pair have the same scale: the product of learned scales is then part of the loss (golden README, defect 2).
 */
import { type Architecture, type LinearRole, linearRoles, linearShape } from "../../model/architecture.ts";
import type { BlockParameters } from "./block.ts";
import type { Graph, Node } from "./graph.ts";

/** What channels are scaled: inputs of linear layers, or queries against keys. */
export type EquivalentPlace = "attention" | "output" | "mlp" | "down" | "queryKey";

/** Weights, biases and norms of a block as nodes. */
export type BlockNodes = Map<string, Node>;

/** The parameters of a block as leaves. */
export function leavesOf(graph: Graph, block: BlockParameters): BlockNodes {
  return new Map([...block].map(([name, values]) => [name, graph.leaf(values)]));
}

/** For each channel of the queries (and of what the output projection reads) the key (value) channel that it meets. */
export function sharedChannels({ heads, kvHeads, headDim }: Architecture): Int32Array {
  const group = heads / kvHeads;
  return Int32Array.from(
    { length: heads * headDim },
    (_, i) => Math.floor(Math.floor(i / headDim) / group) * headDim + i % headDim,
  );
}

/** Channels of a place that have a scale of their own. */
export function channelsOf(architecture: Architecture, place: EquivalentPlace): number {
  const { hiddenSize, intermediateSize, kvHeads, headDim } = architecture;
  if (place === "attention" || place === "mlp") return hiddenSize;
  return place === "down" ? intermediateSize : kvHeads * headDim;
}

/**
 * Folds scales and shifts into a block's nodes. `learned` has `<place>.scale` where a place is scaled and `<place>.shift` where it is
 * shifted too; under grouped queries a channel of values, or of keys, has one scale for all query heads that share it.
 */
export function foldEquivalents(
  graph: Graph,
  architecture: Architecture,
  block: BlockParameters,
  nodes: BlockNodes,
  learned: ReadonlyMap<string, Node>,
): void {
  const of = (name: string) => {
    const node = nodes.get(name);
    if (node === undefined) throw new Error(`the block has no ${name}`);
    return node;
  };
  const update = (name: string, change: (node: Node) => Node) => {
    const node = nodes.get(name);
    if (node !== undefined) nodes.set(name, change(node));
  };
  const shared = sharedChannels(architecture);
  /** What reads the channels: columns times the scale, the shift made up for in the bias. */
  const readers = (roles: readonly LinearRole[], s: Node, d: Node | undefined) => {
    for (const role of roles) {
      const plain = block.get(role);
      if (plain === undefined) continue;
      if (d !== undefined) addBias(role, graph.apply(plain, d));
      nodes.set(role, graph.scale(of(role), s, "columns", "times"));
    }
  };
  const addBias = (role: LinearRole, more: Node) => {
    const bias = nodes.get(`${role}.bias`);
    nodes.set(`${role}.bias`, bias === undefined ? more : graph.add(bias, more));
  };
  /** What makes the channels: the shift taken off its bias, then rows over the scale. */
  const maker = (role: LinearRole, s: Node, d: Node | undefined) => {
    if (d !== undefined) {
      const zeros = graph.leaf(new Float32Array(d.data.length));
      nodes.set(`${role}.bias`, graph.add(nodes.get(`${role}.bias`) ?? zeros, d, -1));
    }
    update(`${role}.bias`, (bias) => graph.scale(bias, s, "rows", "over"));
    update(role, (weight) => graph.scale(weight, s, "rows", "over"));
  };
  for (const [site, norm] of [["attention", "attentionNorm"], ["mlp", "mlpNorm"]] as const) {
    const s = learned.get(`${site}.scale`), d = learned.get(`${site}.shift`);
    if (s === undefined) continue;
    nodes.set(norm, graph.scale(of(norm), s, "rows", "over"));
    if (d !== undefined) {
      const zeros = graph.leaf(new Float32Array(d.data.length));
      nodes.set(`${norm}.bias`, graph.add(nodes.get(`${norm}.bias`) ?? zeros, d, -1));
    }
    update(`${norm}.bias`, (bias) => graph.scale(bias, s, "rows", "over"));
    readers(site === "attention" ? ["q", "k", "v"] : ["gate", "up"], s, d);
  }
  const out = learned.get("output.scale"), outShift = learned.get("output.shift");
  if (out !== undefined) {
    maker("v", out, outShift);
    readers(["o"], graph.gather(out, shared), outShift && graph.gather(outShift, shared));
  }
  const down = learned.get("down.scale");
  if (down !== undefined) {
    maker("up", down, learned.get("down.shift"));
    readers(["down"], down, learned.get("down.shift"));
  }
  const queryKey = learned.get("queryKey.scale");
  if (queryKey !== undefined) {
    const queries = graph.gather(queryKey, shared);
    for (const name of ["q", "q.bias"]) update(name, (node) => graph.scale(node, queries, "rows", "over"));
    for (const name of ["k", "k.bias"]) update(name, (node) => graph.scale(node, queryKey, "rows", "times"));
  }
}

/** Scales that have come close to 0 are moved to `least` of their sign; 0 itself stays. */
export function keepFromZero(scales: Float32Array, least = 0.01): void {
  for (let i = 0; i < scales.length; i++) {
    if (Math.abs(scales[i]) < least) scales[i] = Math.sign(scales[i]) * least + 0;
  }
}

/** Rows and columns of the weights of a block, by role. */
export function shapesOf(architecture: Architecture): Map<LinearRole, readonly [number, number]> {
  return new Map(linearRoles(architecture).map((role) => [role, linearShape(architecture, role)]));
}
