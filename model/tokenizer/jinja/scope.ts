/**
 * Which variable a name means. Jinja decides it before anything runs: every loop, macro or block of a template is a frame with
 * variables of its own, named by the depth of the frame (`1:x`), and a name that a frame assigns anywhere is that frame's everywhere.
 */
import { childrenOf, type Expression, type For, type If, type Node, type Statement } from "./ast.ts";
import { TemplateError } from "./error.ts";

/** What a variable holds when its frame begins. */
export type Load =
  | { readonly from: "parameter" | "nothing" }
  /** A variable that the caller of the template gives. */
  | { readonly from: "context"; readonly name: string }
  | { readonly from: "outer"; readonly variable: string };

/** The variables of a frame. */
export class Symbols {
  readonly level: number;
  #variables = new Map<string, string>();
  #loads = new Map<string, Load>();
  #stores = new Set<string>();

  constructor(private readonly parent?: Symbols) {
    this.level = parent === undefined ? 0 : parent.level + 1;
  }

  /** What its variables hold when it begins. */
  get loads(): ReadonlyMap<string, Load> {
    return this.#loads;
  }

  #define(name: string, load: Load): string {
    const variable = `${this.level}:${name}`;
    this.#variables.set(name, variable);
    this.#loads.set(variable, load);
    return variable;
  }

  /** The variable that a name means, if the frame or one around it has it. */
  find(name: string): string | undefined {
    return this.#variables.get(name) ?? this.parent?.find(name);
  }

  /** The variable that a name means. */
  variable(name: string): string {
    const found = this.find(name);
    if (found === undefined) {
      throw new TemplateError("unsupported", `the name ${name} in this place: not supported`);
    }
    return found;
  }

  /** A name is assigned. */
  store(name: string): void {
    this.#stores.add(name);
    if (this.#variables.has(name)) return;
    const outer = this.parent?.find(name);
    this.#define(name, outer === undefined ? { from: "nothing" } : { from: "outer", variable: outer });
  }

  /** A name is a parameter of the frame. */
  parameter(name: string): string {
    this.#stores.add(name);
    return this.#define(name, { from: "parameter" });
  }

  /** A name is read. */
  load(name: string): void {
    if (this.find(name) === undefined) this.#define(name, { from: "context", name });
  }

  /** Names assigned here and in the frames around, with their variables. */
  stored(): Map<string, string> {
    const own = Array.from(this.#stores, (name) => [name, this.variable(name)] as const);
    return new Map([...this.parent?.stored() ?? [], ...own]);
  }

  copy(): Symbols {
    const copy = new Symbols(this.parent);
    copy.#variables = new Map(this.#variables);
    copy.#loads = new Map(this.#loads);
    copy.#stores = new Set(this.#stores);
    return copy;
  }

  /** Takes over what the branches of a condition do: what only some of them assign may come from outside. */
  merge(branches: readonly Symbols[]): void {
    const fresh = new Set(
      branches.flatMap((branch) => [...branch.#stores]).filter((name) => !this.#stores.has(name)),
    );
    for (const branch of branches) {
      for (const [name, variable] of branch.#variables) this.#variables.set(name, variable);
      for (const [variable, load] of branch.#loads) this.#loads.set(variable, load);
      for (const name of branch.#stores) this.#stores.add(name);
    }
    for (const name of fresh) {
      const outer = this.parent?.find(name);
      this.#loads.set(
        this.variable(name),
        outer === undefined ? { from: "context", name } : { from: "outer", variable: outer },
      );
    }
  }
}

/** Enters the names of nodes into their frame. */
export function enter(symbols: Symbols, nodes: readonly Node[]): void {
  for (const node of nodes) visit(symbols, node);
}

/** Enters the target of a loop. */
export function enterTarget(symbols: Symbols, target: Expression): void {
  if (target.kind === "name") symbols.parameter(target.name);
  else for (const child of childrenOf(target)) if ("name" in child) visitTarget(symbols, child);
}

function visitTarget(symbols: Symbols, node: Node): void {
  if (node.kind === "name") symbols.parameter(node.name);
}

function visit(symbols: Symbols, node: Node): void {
  switch (node.kind) {
    case "name":
      if (node.use === "load") symbols.load(node.name);
      else if (node.use === "store") symbols.store(node.name);
      else symbols.parameter(node.name);
      return;
    case "namespace":
      return symbols.load(node.name);
    case "if":
      return visitIf(symbols, node);
    case "macro":
      return symbols.store(node.name);
    case "set":
      return enter(symbols, [node.value, node.target]);
    // The insides of these are frames of their own.
    case "for":
      return visit(symbols, node.iterable);
    case "callBlock":
      return enter(symbols, node.call === undefined ? [] : [node.call]);
    case "filterBlock":
      return visit(symbols, node.filter);
    case "with":
      return enter(symbols, node.values);
    case "setBlock":
      return visit(symbols, node.target);
    case "block":
      return;
    default:
      enter(symbols, childrenOf(node));
  }
}

function visitIf(symbols: Symbols, node: If): void {
  visit(symbols, node.test);
  const branches = [node.body, node.elifs, node.otherwise].map((nodes) => {
    const branch = symbols.copy();
    enter(branch, nodes);
    return branch;
  });
  symbols.merge(branches);
}

/** Which of some names a part of a template reads before it assigns them. */
export function undeclared(nodes: readonly Node[], names: readonly string[]): ReadonlySet<string> {
  const left = new Set(names), found = new Set<string>();
  const look = (node: Node) => {
    if (node.kind === "block") return;
    if (node.kind === "name") {
      if (node.use === "load" && left.has(node.name)) found.add(node.name);
      else left.delete(node.name);
    }
    childrenOf(node).forEach(look);
  };
  nodes.forEach(look);
  return found;
}

/** All nodes of a part of a template. */
export function* everyNode(nodes: readonly Node[]): Generator<Node> {
  for (const node of nodes) {
    yield node;
    yield* everyNode(childrenOf(node));
  }
}

/** Refuses a loop that assigns to `loop`. */
export function checkLoop(node: For): void {
  for (const one of everyNode([node])) {
    if (one.kind === "name" && one.use === "store" && one.name === "loop") {
      throw new TemplateError("syntax", "Can't assign to special loop variable in for-loop target", one.line);
    }
  }
}

/** Whether some statement of these is a block that sees the variables around it. */
export function hasScopedBlock(nodes: readonly Statement[]): boolean {
  for (const one of everyNode(nodes)) if (one.kind === "block" && one.scoped) return true;
  return false;
}
