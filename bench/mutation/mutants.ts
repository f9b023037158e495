/** What may be changed in a source file: one place a mutant, found in the syntax tree that TypeScript's own parser makes. */
import ts from "npm:typescript@5.9.3";

/** A change of one place. */
export interface Mutant {
  /** What kind of change: `operator`, `bound`, `constant`, `branch`, `call`. */
  readonly kind: "operator" | "bound" | "constant" | "branch" | "call";
  /** Where it begins, in UTF-16 units. */
  readonly start: number;
  /** Where it ends. */
  readonly end: number;
  /** What stands there instead. */
  readonly text: string;
}

const { SyntaxKind } = ts;

/** Operators and what each becomes. */
const operators: Readonly<Record<number, readonly [kind: Mutant["kind"], text: string]>> = {
  [SyntaxKind.PlusToken]: ["operator", "-"],
  [SyntaxKind.MinusToken]: ["operator", "+"],
  [SyntaxKind.AsteriskToken]: ["operator", "/"],
  [SyntaxKind.SlashToken]: ["operator", "*"],
  [SyntaxKind.PercentToken]: ["operator", "*"],
  [SyntaxKind.PlusEqualsToken]: ["operator", "-="],
  [SyntaxKind.MinusEqualsToken]: ["operator", "+="],
  [SyntaxKind.AsteriskEqualsToken]: ["operator", "/="],
  [SyntaxKind.SlashEqualsToken]: ["operator", "*="],
  [SyntaxKind.LessThanLessThanToken]: ["operator", ">>"],
  [SyntaxKind.GreaterThanGreaterThanToken]: ["operator", "<<"],
  [SyntaxKind.GreaterThanGreaterThanGreaterThanToken]: ["operator", "<<"],
  [SyntaxKind.AmpersandToken]: ["operator", "|"],
  [SyntaxKind.BarToken]: ["operator", "&"],
  [SyntaxKind.CaretToken]: ["operator", "&"],
  [SyntaxKind.AmpersandAmpersandToken]: ["branch", "||"],
  [SyntaxKind.BarBarToken]: ["branch", "&&"],
  [SyntaxKind.LessThanToken]: ["bound", "<="],
  [SyntaxKind.LessThanEqualsToken]: ["bound", "<"],
  [SyntaxKind.GreaterThanToken]: ["bound", ">="],
  [SyntaxKind.GreaterThanEqualsToken]: ["bound", ">"],
  [SyntaxKind.EqualsEqualsEqualsToken]: ["bound", "!=="],
  [SyntaxKind.ExclamationEqualsEqualsToken]: ["bound", "==="],
};

/** Functions of `Math` and what each becomes. */
const calls: Readonly<Record<string, string>> = {
  ...{ max: "min", min: "max", floor: "ceil", ceil: "floor", round: "floor", abs: "trunc", sqrt: "cbrt" },
};

/**
 * All mutants of a file, in the order of their places. Types, imports, strings, what is thrown, and how a loop advances are left alone:
 * they change no result, or end no run.
 */
export function mutantsOf(path: string, source: string): Mutant[] {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true);
  const found: Mutant[] = [];
  const add = (kind: Mutant["kind"], node: ts.Node, text: string) =>
    found.push({ kind, start: node.getStart(file), end: node.getEnd(), text });
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isThrowStatement(node)) {
      return;
    }
    if (ts.isForStatement(node)) {
      for (const part of [node.initializer, node.condition, node.statement]) if (part) visit(part);
      return;
    }
    if (ts.isBinaryExpression(node)) {
      const change = operators[node.operatorToken.kind];
      // A sum of texts is no arithmetic.
      const isText = [node.left, node.right].some((one) =>
        ts.isStringLiteralLike(one) || ts.isTemplateExpression(one)
      );
      if (change !== undefined && !isText) add(change[0], node.operatorToken, change[1]);
    } else if (ts.isConditionalExpression(node)) {
      const { whenTrue, whenFalse } = node;
      found.push({
        kind: "branch",
        start: whenTrue.getStart(file),
        end: whenFalse.getEnd(),
        text: `${whenFalse.getText(file)} : ${whenTrue.getText(file)}`,
      });
    } else if (ts.isIfStatement(node)) {
      add("branch", node.expression, `!(${node.expression.getText(file)})`);
    } else if (ts.isPrefixUnaryExpression(node)) {
      const { operator, operand } = node;
      const flips = operator === SyntaxKind.MinusToken || operator === SyntaxKind.ExclamationToken ||
        operator === SyntaxKind.TildeToken;
      if (flips) add("operator", node, operand.getText(file));
    } else if (ts.isNumericLiteral(node)) {
      const value = Number(node.text.replaceAll("_", ""));
      add("constant", node, Number.isInteger(value) ? String(value + 1) : String(value * 2));
    } else if (node.kind === SyntaxKind.TrueKeyword) add("constant", node, "false");
    else if (node.kind === SyntaxKind.FalseKeyword) add("constant", node, "true");
    else if (ts.isPropertyAccessExpression(node) && node.expression.getText(file) === "Math") {
      const other = calls[node.name.text];
      if (other !== undefined) add("call", node.name, other);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** The file with a mutant in it. */
export function mutated(source: string, { start, end, text }: Mutant): string {
  return source.slice(0, start) + text + source.slice(end);
}
