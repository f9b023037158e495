/** A block whose weights are transformed by learned parameters, then rounded within learned shares of their ranges. */
import { type Architecture, type LinearRole, linearRoles, linearShape } from "../../model/architecture.ts";
import { type AttentionOperand, type BlockOptions, type BlockParameters, type Rounded } from "./block.ts";
import { type BlockNodes, keepFromZero, leavesOf } from "./equivalent.ts";
import { Graph, type Node } from "./graph.ts";
import type { BlockFit, ComputedBlock } from "./reconstruction.ts";
import { type RangeRule, type Rounding, roundRange } from "./rounding.ts";

/** How a block is transformed and rounded. */
export interface TransformedRules {
  /** What weights are rounded to; null leaves them as they are. */
  readonly weights: RangeRule | null;
  /** Values of a row that share a scale; absent for the whole row. */
  readonly groupSize?: number;
  /** Bits of what is rounded while the block runs; 16 for none. */
  readonly activationBits: number;
  /** Whether queries, keys and values are rounded head by head, or a token at a time. */
  readonly operands: "head" | "token";
  /** Folds what is learned into the block's weights, biases and norms. */
  fold(graph: Graph, nodes: BlockNodes, learned: ReadonlyMap<string, Node>, epoch: number): void;
  /** What is done to weights once they are rounded, if anything. */
  finish?(graph: Graph, nodes: BlockNodes): void;
  /** Learning rate of a parameter. */
  rateOf(name: string): number;
}

/** The last name of logits of learned shares: `<role>.upper`, `<role>.lower`. */
export const clipEnds = ["upper", "lower"] as const;

/** Logits at their start: all of them 4, so that 0.982 of each range is covered. */
export function clipLogits(architecture: Architecture, groupSize?: number): Map<string, Float32Array> {
  const logits = new Map<string, Float32Array>();
  for (const role of linearRoles(architecture)) {
    const [rows, columns] = linearShape(architecture, role), groups = rows * columns / (groupSize ?? columns);
    for (const end of clipEnds) logits.set(`${role}.${end}`, new Float32Array(groups).fill(4));
  }
  return logits;
}

/** Roundings while a block runs: inputs token by token, operands of attention as the rules say; the derivative goes through their ranges. */
export function runtimeRounding(
  { headDim }: Architecture,
  { activationBits: bits, operands }: Pick<TransformedRules, "activationBits" | "operands">,
): BlockOptions {
  if (bits >= 16) return {};
  const attention: readonly string[] = ["query", "key", "value"] satisfies AttentionOperand[];
  return {
    round(x, place, columns): Rounded {
      const size = operands === "head" && attention.includes(place) ? headDim : columns;
      const { values, back } = roundRange(x, size, { bits });
      return { values, back: (dy) => back(dy).x };
    },
  };
}

/** A block in training; scales stay clear of 0. */
export class TransformedBlock implements BlockFit {
  readonly options: BlockOptions;
  /** The rounded weights of the last computation, by role. */
  readonly rounded = new Map<LinearRole, Rounding>();

  constructor(
    private readonly architecture: Architecture,
    private readonly block: BlockParameters,
    /** What is learned, by name. */
    readonly parameters: ReadonlyMap<string, Float32Array>,
    private readonly rules: TransformedRules,
  ) {
    this.options = runtimeRounding(architecture, rules);
  }

  rateOf(name: string): number {
    return this.rules.rateOf(name);
  }

  compute(epoch: number): ComputedBlock {
    const { architecture, block, parameters, rules } = this, graph = new Graph();
    for (const [name, values] of parameters) if (name.endsWith(".scale")) keepFromZero(values);
    const learned = new Map([...parameters].map(([name, values]) => [name, graph.leaf(values)]));
    const nodes = leavesOf(graph, block);
    rules.fold(graph, nodes, learned, epoch);
    for (const role of linearRoles(architecture)) {
      const weight = nodes.get(role);
      if (rules.weights === null || weight === undefined) continue;
      const [, columns] = linearShape(architecture, role),
        [upper, lower] = clipEnds.map((end) => learned.get(`${role}.${end}`));
      const clip = upper === undefined || lower === undefined ? null : { upper, lower };
      const { node, rounding } = graph.round(weight, rules.groupSize ?? columns, rules.weights, clip);
      nodes.set(role, node);
      this.rounded.set(role, rounding);
    }
    rules.finish?.(graph, nodes);
    return {
      parameters: new Map([...nodes].map(([name, { data }]) => [name, data])),
      back(gradients) {
        for (const [name, gradient] of gradients) {
          const node = nodes.get(name);
          if (node !== undefined) graph.give(node, gradient);
        }
        graph.backward();
        const found = new Map<string, Float32Array>();
        for (const [name, { gradient }] of learned) if (gradient !== undefined) found.set(name, gradient);
        return found;
      },
    };
  }
}
