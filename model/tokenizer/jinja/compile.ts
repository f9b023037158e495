/** Statements as functions that write a template's text. */
import type { Block, For, If, MacroLike, Statement } from "./ast.ts";
import {
  compileCall,
  compileExpression,
  compileFilter,
  compileOutput,
  compileSpaceCheck,
  compileTarget,
  type Evaluate,
  type Frame,
} from "./compile_expressions.ts";
import { spend, TemplateError, unsupported } from "./error.ts";
import type { Library } from "./library.ts";
import { Once } from "./python/objects.ts";
import { Locals, Loop, Macro, type MacroCall, Output, type Rendering } from "./runtime.ts";
import { checkLoop, enter, enterTarget, everyNode, hasScopedBlock, Symbols, undeclared } from "./scope.ts";
import { elements, str, truth, Tuple, type Value } from "./python/values.ts";

/** How a statement ends: with nothing, or by leaving or repeating the loop around it. */
type Ending = "break" | "continue" | undefined;

/** A statement, ready to run. */
type Run = (locals: Locals, out: Output) => Ending;

/** A template, ready to be rendered. */
export function compileTemplate(
  body: readonly Statement[],
  library: Library,
): (rendering: Rendering) => string {
  return new Compiler(body, library).compile();
}

class Compiler {
  readonly #blocks = new Map<string, (rendering: Rendering, out: Output) => void>();
  constructor(private readonly body: readonly Statement[], private readonly library: Library) {}

  compile(): (rendering: Rendering) => string {
    const symbols = new Symbols();
    if (undeclared(this.body, ["self"]).has("self")) throw unsupported("self");
    enter(symbols, this.body);
    const frame = { symbols, outermost: true, conditional: false, inLoop: false, library: this.library };
    const names = new Set<string>();
    for (const node of everyNode(this.body)) {
      if (node.kind !== "block") continue;
      if (names.has(node.name)) {
        throw new TemplateError("syntax", `block '${node.name}' defined twice`, node.line);
      }
      names.add(node.name);
      this.#blocks.set(node.name, this.#blockBody(node));
    }
    const run = this.#body(this.body, frame), begin = beginFrame(symbols);
    return (rendering) => {
      const locals = new Locals(rendering);
      begin(locals);
      run(locals, rendering.output);
      return rendering.output.text();
    };
  }

  /** A block sees what the outermost level has assigned, and nothing of the frames around it. */
  #blockBody({ body }: Block): (rendering: Rendering, out: Output) => void {
    const symbols = new Symbols();
    const odd = undeclared(body, ["self", "super"]);
    if (odd.size > 0) throw unsupported([...odd].join(" and "));
    enter(symbols, body);
    const frame = { symbols, outermost: false, conditional: false, inLoop: false, library: this.library };
    const run = this.#body(body, frame), begin = beginFrame(symbols);
    return (rendering, out) => {
      const locals = new Locals(rendering);
      begin(locals);
      run(locals, out);
    };
  }

  #body(body: readonly Statement[], frame: Frame): Run {
    const all = body.map((statement) => this.#statement(statement, frame));
    return (locals, out) => {
      for (const run of all) {
        spend(1);
        const ending = run(locals, out);
        if (ending !== undefined) return ending;
      }
    };
  }

  #statement(node: Statement, frame: Frame): Run {
    switch (node.kind) {
      case "output": {
        const parts = node.nodes.map((one) => compileOutput(one, frame));
        return (locals, out) => parts.forEach((part) => out.add(str(part(locals)))) ?? undefined;
      }
      case "if":
        return this.#if(node, frame);
      case "for":
        return this.#for(node, frame);
      case "set": {
        const check = compileSpaceCheck(node.target, frame);
        const value = compileExpression(node.value, frame), assign = compileTarget(node.target, frame);
        return (locals) => {
          check(locals);
          assign(locals, value(locals));
          return undefined;
        };
      }
      case "setBlock":
        return this.#setBlock(node, frame);
      case "macro": {
        const macro = this.#macro(node, node.name, frame);
        const assign = compileTarget({ kind: "name", line: node.line, name: node.name, use: "store" }, frame);
        return (locals) => assign(locals, macro(locals)) ?? undefined;
      }
      case "callBlock":
        return this.#callBlock(node, frame);
      case "filterBlock": {
        const inner = innerFrame(frame);
        enter(inner.symbols, [...node.body, node.filter]);
        const begin = beginFrame(inner.symbols), run = this.#body(node.body, inner);
        return captured(begin, run, inner, node.filter, (_locals, out, value) => out.addResult(value));
      }
      case "with":
        return this.#with(node, frame);
      case "block": {
        const scoped = node.scoped ? frame.symbols.stored() : undefined;
        return (locals, out) => this.#runBlock(node, scoped, locals, out) ?? undefined;
      }
      case "break":
      case "continue":
        if (!frame.inLoop) throw new TemplateError("syntax", `'${node.kind}' outside loop`, node.line);
        return () => node.kind;
      case "unsupported":
        return () => {
          throw unsupported(`{% ${node.name} %}, as there is no other template`);
        };
    }
  }

  #runBlock(node: Block, scoped: ReadonlyMap<string, string> | undefined, locals: Locals, out: Output): void {
    if (node.required) throw new TemplateError("type", `Required block '${node.name}' not found`);
    const { rendering } = locals, run = this.#blocks.get(node.name);
    if (scoped === undefined) return run?.(rendering, out);
    const seen = new Map(rendering.assigned);
    for (const [name, variable] of scoped) {
      const value = locals.get(variable);
      if (value !== undefined) seen.set(name, value);
    }
    run?.({ ...rendering, assigned: seen }, out);
  }

  #if(node: If, frame: Frame): Run {
    const soft = { ...frame, conditional: true };
    const branches = [node, ...node.elifs].map(({ test, body }) =>
      [compileExpression(test, soft), this.#body(body, soft)] as const
    );
    const otherwise = this.#body(node.otherwise, soft);
    return (locals, out) => {
      for (const [test, run] of branches) if (truth(test(locals))) return run(locals, out);
      return otherwise(locals, out);
    };
  }

  #for(node: For, frame: Frame): Run {
    checkLoop(node);
    const loopFrame = { ...innerFrame(frame), inLoop: true }, elseFrame = innerFrame(frame);
    const { symbols } = loopFrame;
    const isExtended = node.recursive || undeclared(node.body, ["loop"]).has("loop") ||
      hasScopedBlock([node]);
    const loopVariable = isExtended ? symbols.parameter("loop") : undefined;
    enterTarget(symbols, node.target);
    enter(symbols, node.body);
    enter(elseFrame.symbols, node.otherwise);
    const iterable = compileExpression(node.iterable, frame), filter = this.#loopTest(node, frame);
    const assign = compileTarget(node.target, loopFrame), body = this.#body(node.body, loopFrame);
    // `else` belongs to the loop around, if there is one.
    const otherwise = this.#body(node.otherwise, elseFrame);
    const begin = beginFrame(symbols), end = endFrame(symbols), beginElse = beginFrame(elseFrame.symbols);

    const run = (locals: Locals, out: Output, value: Value, depth: number): Ending => {
      const list = filter === undefined ? value : filter(locals, value);
      const recurse = !node.recursive ? undefined : (inner: Value, level: number) => {
        const text = new Output();
        run(new Locals(locals.rendering, locals), text, inner, level);
        return text.text();
      };
      const loop = loopVariable === undefined ? undefined : new Loop(list, depth, recurse);
      if (loopVariable !== undefined) locals.set(loopVariable, undefined);
      let isEmpty = true;
      for (const item of loop ?? elements(list)) {
        assign(locals, item);
        if (loopVariable !== undefined) locals.set(loopVariable, loop);
        begin(locals);
        const ending = body(locals, out);
        if (ending === "break") break;
        // As in Jinja, a round that `continue` ends does not count for `else`.
        if (ending === undefined) isEmpty = false;
      }
      end(locals);
      if (!isEmpty || node.otherwise.length === 0) return undefined;
      beginElse(locals);
      return otherwise(locals, out);
    };
    if (!node.recursive) return (locals, out) => run(locals, out, iterable(locals), 0);
    return (locals, out) => {
      const value = iterable(locals), text = new Output();
      run(new Locals(locals.rendering, locals), text, value, 0);
      out.add(text.text());
      return undefined;
    };
  }

  /** The condition of a loop, tried one element at a time: what the body does may change it. */
  #loopTest(node: For, frame: Frame): ((locals: Locals, value: Value) => Value) | undefined {
    if (node.test === undefined) return undefined;
    const inner = innerFrame(frame);
    enterTarget(inner.symbols, node.target);
    enter(inner.symbols, [node.test]);
    const test = compileExpression(node.test, inner), assign = compileTarget(node.target, inner);
    const begin = beginFrame(inner.symbols),
      count = node.target.kind === "tuple" ? node.target.items.length : 0;
    function* chosen(outer: Locals, value: Value): Generator<Value> {
      const locals = new Locals(outer.rendering, outer);
      begin(locals);
      for (const item of elements(value)) {
        // An iterator is used up by taking it apart.
        const kept = count === 0 ? item : new Tuple([...elements(item)]);
        assign(locals, kept);
        if (truth(test(locals))) yield kept;
      }
    }
    return (locals, value) => new Once("generator", chosen(locals, value));
  }

  #setBlock(node: Extract<Statement, { kind: "setBlock" }>, frame: Frame): Run {
    const inner = innerFrame(frame), assign = compileTarget(node.target, frame);
    enter(inner.symbols, node.body);
    const begin = beginFrame(inner.symbols), run = this.#body(node.body, inner);
    return captured(begin, run, inner, node.filter, (locals, _out, value) => assign(locals, value));
  }

  #with(node: Extract<Statement, { kind: "with" }>, frame: Frame): Run {
    const inner = innerFrame(frame);
    enter(inner.symbols, [...node.targets, ...node.body]);
    const values = node.values.map((value) => compileExpression(value, frame));
    const targets = node.targets.map((target) => compileTarget(target, inner));
    const begin = beginFrame(inner.symbols), run = this.#body(node.body, inner);
    return (locals, out) => {
      begin(locals);
      targets.forEach((assign, i) => assign(locals, values[i](locals)));
      return run(locals, out);
    };
  }

  /** What makes the macro of a statement. */
  #macro(node: MacroLike, name: string | null, frame: Frame): (outer: Locals) => Macro {
    const inner: Frame = { ...innerFrame(frame), inLoop: false }, { symbols } = inner;
    const members = [...node.parameters, ...node.defaults, ...node.body];
    enter(symbols, members);
    const parameters = node.parameters.map((parameter) => parameter.name);
    const used = undeclared(node.body, ["caller", "kwargs", "varargs"]);
    const explicit = parameters.indexOf("caller");
    if (used.has("caller") && explicit >= 0 && parameters.length - explicit > node.defaults.length) {
      throw new TemplateError(
        "syntax",
        'the special "caller" argument must be omitted or be given a default.',
        node.line,
      );
    }
    const special = (one: string) =>
      used.has(one) && !parameters.includes(one) ? symbols.parameter(one) : undefined;
    const caller = special("caller"), keywords = special("kwargs"), more = special("varargs");
    enter(symbols, members);
    const variables = parameters.map((parameter) => symbols.variable(parameter));
    const firstDefault = parameters.length - node.defaults.length;
    const defaults = node.defaults.map((value) => compileExpression(value, inner));
    const begin = beginFrame(symbols), run = this.#body(node.body, inner);
    const form = {
      ...{ name, parameters, takesCaller: used.has("caller") },
      ...{ takesKeywords: keywords !== undefined, takesMore: more !== undefined },
    };
    return (outer) =>
      new Macro(form, (call: MacroCall) => {
        const locals = new Locals(outer.rendering, outer), out = new Output();
        variables.forEach((variable, i) => locals.set(variable, call.values[i]));
        if (caller !== undefined) locals.set(caller, call.caller);
        if (keywords !== undefined) locals.set(keywords, call.keywords);
        if (more !== undefined) locals.set(more, call.more);
        begin(locals);
        variables.forEach((variable, i) => {
          if (locals.get(variable) !== undefined || i < firstDefault) return;
          locals.set(variable, defaults[i - firstDefault](locals));
        });
        run(locals, out);
        return out.text();
      });
  }

  #callBlock(node: Extract<Statement, { kind: "callBlock" }>, frame: Frame): Run {
    const body = this.#macro(node, null, frame);
    if (node.call !== undefined) {
      const call = compileCall(node.call, frame, body);
      return (locals, out) => out.addResult(call(locals)) ?? undefined;
    }
    return (locals, out) => {
      const text = str(body(locals).call([], new Map())), { output, spans } = locals.rendering;
      spans.push([output.length, output.length + text.length]);
      out.add(text);
      return undefined;
    };
  }
}

/** A statement whose text is caught, filtered and used. */
function captured(
  begin: (locals: Locals) => void,
  run: Run,
  frame: Frame,
  filter: Extract<Statement, { kind: "setBlock" }>["filter"],
  use: (locals: Locals, out: Output, value: Value) => void,
): Run {
  const caught: Evaluate = (locals) => locals.get("caught") ?? "";
  const value = filter === undefined ? caught : compileChain(filter, caught, frame);
  return (locals, out) => {
    const inner = new Output();
    begin(locals);
    const ending = run(locals, inner);
    if (ending !== undefined) return ending;
    locals.set("caught", inner.text());
    use(locals, out, value(locals));
    return undefined;
  };
}

/** The filters of a block, the first of which has the block's text. */
function compileChain(
  filter: NonNullable<Extract<Statement, { kind: "setBlock" }>["filter"]>,
  text: Evaluate,
  frame: Frame,
): Evaluate {
  const { node } = filter;
  const inner = node === undefined
    ? text
    : node.kind === "filter"
    ? compileChain(node, text, frame)
    : undefined;
  if (inner === undefined) throw new TemplateError("syntax", "expected a filter", filter.line);
  return compileFilter(filter, inner, frame);
}

function innerFrame(frame: Frame): Frame {
  return { ...frame, symbols: new Symbols(frame.symbols), outermost: false, conditional: false };
}

/** Gives the variables of a frame what they hold at its beginning. */
function beginFrame(symbols: Symbols): (locals: Locals) => void {
  const loads = [...symbols.loads].filter(([, { from }]) => from !== "parameter");
  return (locals) => {
    const { assigned, given } = locals.rendering;
    for (const [variable, load] of loads) {
      if (load.from === "outer") locals.set(variable, locals.get(load.variable));
      else if (load.from === "context") {
        locals.set(variable, (assigned.has(load.name) ? assigned : given).get(load.name));
      } else locals.set(variable, undefined);
    }
  };
}

/** Empties the variables of a frame. */
function endFrame(symbols: Symbols): (locals: Locals) => void {
  const variables = [...symbols.loads.keys()];
  return (locals) => variables.forEach((variable) => locals.set(variable, undefined));
}
