/** What a template is made of. */
import type { Value } from "./python/values.ts";

/** Arguments of a call, a filter or a test. */
export interface Arguments {
  readonly args: readonly Expression[];
  readonly keywords: readonly (readonly [name: string, value: Expression])[];
  /** `*value` */
  readonly spread?: Expression;
  /** `**value` */
  readonly spreadKeywords?: Expression;
}

/** A name that is read, written, or a parameter. */
export interface Name {
  readonly kind: "name";
  readonly line: number;
  readonly name: string;
  readonly use: "load" | "store" | "parameter";
}

/** A filter; without a node it is one of a block. */
export interface Filter extends Arguments {
  readonly kind: "filter";
  readonly line: number;
  readonly node?: Expression;
  readonly name: string;
}

/** A call. */
export interface Call extends Arguments {
  readonly kind: "call";
  readonly line: number;
  readonly node: Expression;
}

/** A part of a sequence. */
export interface Slice {
  readonly kind: "slice";
  readonly line: number;
  readonly parts: readonly [start?: Expression, stop?: Expression, step?: Expression];
}

/** An expression. */
export type Expression =
  & { readonly line: number }
  & (
    | Name
    | Filter
    | Call
    | Slice
    | { readonly kind: "data"; readonly text: string }
    | { readonly kind: "constant"; readonly value: Value }
    | { readonly kind: "list" | "tuple"; readonly items: readonly Expression[] }
    | { readonly kind: "dict"; readonly entries: readonly (readonly [Expression, Expression])[] }
    | {
      readonly kind: "condition";
      readonly test: Expression;
      readonly then: Expression;
      readonly otherwise?: Expression;
    }
    | { readonly kind: "binary"; readonly op: string; readonly left: Expression; readonly right: Expression }
    | { readonly kind: "unary"; readonly op: "+" | "-" | "not"; readonly node: Expression }
    | {
      readonly kind: "compare";
      readonly left: Expression;
      readonly rest: readonly (readonly [op: string, right: Expression])[];
    }
    | { readonly kind: "concat"; readonly nodes: readonly Expression[] }
    | ({ readonly kind: "test"; readonly node: Expression; readonly name: string } & Arguments)
    | { readonly kind: "attribute"; readonly node: Expression; readonly name: string }
    | { readonly kind: "item"; readonly node: Expression; readonly key: Expression }
    | { readonly kind: "namespace"; readonly name: string; readonly attribute: string }
  );

/** Parameters of a macro or a call block. */
export interface Signature {
  readonly parameters: readonly Name[];
  /** Of the last parameters. */
  readonly defaults: readonly Expression[];
}

/** A macro or a call block. */
export interface MacroLike extends Signature {
  readonly line: number;
  readonly body: readonly Statement[];
}

/** A loop. */
export interface For {
  readonly kind: "for";
  readonly line: number;
  readonly target: Expression;
  readonly iterable: Expression;
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[];
  readonly test?: Expression;
  readonly recursive: boolean;
}

/** A condition. */
export interface If {
  readonly kind: "if";
  readonly line: number;
  readonly test: Expression;
  readonly body: readonly Statement[];
  readonly elifs: readonly If[];
  readonly otherwise: readonly Statement[];
}

/** A named block. */
export interface Block {
  readonly kind: "block";
  readonly line: number;
  readonly name: string;
  readonly scoped: boolean;
  readonly required: boolean;
  readonly body: readonly Statement[];
}

/** A statement. */
export type Statement =
  & { readonly line: number }
  & (
    | For
    | If
    | Block
    | ({ readonly kind: "macro"; readonly name: string } & MacroLike)
    /** Without a call it is what the model says (`generation`). */
    | ({ readonly kind: "callBlock"; readonly call?: Call } & MacroLike)
    | { readonly kind: "output"; readonly nodes: readonly Expression[] }
    | { readonly kind: "filterBlock"; readonly filter: Filter; readonly body: readonly Statement[] }
    | {
      readonly kind: "with";
      readonly targets: readonly Expression[];
      readonly values: readonly Expression[];
      readonly body: readonly Statement[];
    }
    | { readonly kind: "set"; readonly target: Expression; readonly value: Expression }
    | {
      readonly kind: "setBlock";
      readonly target: Expression;
      readonly filter?: Filter;
      readonly body: readonly Statement[];
    }
    | { readonly kind: "break" | "continue" }
    | { readonly kind: "unsupported"; readonly name: string }
  );

/** A node. */
export type Node = Expression | Statement;

function ofArguments({ args, keywords, spread, spreadKeywords }: Arguments): Node[] {
  return [...args, ...keywords.map(([, value]) => value), spread, spreadKeywords].filter(isNode);
}

function isNode<T extends Node>(node: T | undefined): node is T {
  return node !== undefined;
}

/** The nodes in a node, in Jinja's order. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case "filter":
    case "test":
    case "call":
      return [...(node.node === undefined ? [] : [node.node]), ...ofArguments(node)];
    case "slice":
      return node.parts.filter((part) => part !== undefined);
    case "list":
    case "tuple":
      return node.items;
    case "dict":
      return node.entries.flat();
    case "condition":
      return [node.test, node.then, node.otherwise].filter(isNode);
    case "binary":
      return [node.left, node.right];
    case "unary":
    case "attribute":
      return [node.node];
    case "compare":
      return [node.left, ...node.rest.map(([, right]) => right)];
    case "concat":
    case "output":
      return node.nodes;
    case "item":
      return [node.node, node.key];
    case "for":
      return [node.target, node.iterable, ...node.body, ...node.otherwise, node.test].filter(isNode);
    case "if":
      return [node.test, ...node.body, ...node.elifs, ...node.otherwise];
    case "block":
      return node.body;
    case "macro":
      return [...node.parameters, ...node.defaults, ...node.body];
    case "callBlock":
      return [node.call, ...node.parameters, ...node.defaults, ...node.body].filter(isNode);
    case "filterBlock":
      return [...node.body, node.filter];
    case "with":
      return [...node.targets, ...node.values, ...node.body];
    case "set":
      return [node.target, node.value];
    case "setBlock":
      return [node.target, node.filter, ...node.body].filter(isNode);
    default:
      return [];
  }
}
