/** Tables of results: records in, an HTML table and the same table as aligned text out. */
import { QuantbookError } from "../../../base/error.ts";
import { attributes, escapeHtml } from "../html.ts";
import { type Display, makeDisplay } from "./emit.ts";
import { type Estimate, formatEstimate, formatNumber, isEstimate, suitableDigits } from "./number.ts";
import { isStatus, type Status, STATUS_MARKS } from "./status.ts";

/** A display was asked for something that it cannot show. */
export class DisplayError extends QuantbookError {}

/** What a cell of a table may hold; `null` and `undefined` show as a dash. */
export type CellValue = number | string | boolean | null | undefined | Estimate | { readonly status: Status };

/** One column of a table. */
export interface Column<Key extends string = string> {
  /** The property of the rows. */
  readonly key: Key;
  /** The heading; default: the key. */
  readonly label?: string;
  /** Shown beside the heading. */
  readonly unit?: string;
  /** Decimals; by default as many as the numbers in the column call for. */
  readonly digits?: number;
  /** Default: right for columns of numbers. */
  readonly align?: "left" | "right";
  /** Which end of the column is good: that value is set in bold when it leads by more than twice its uncertainty. */
  readonly best?: "min" | "max";
}

/** Options of `table`. */
export interface TableOptions<Key extends string = string> {
  /** Default: the keys of the first row. */
  readonly columns?: readonly (Key | Column<Key>)[];
  /** What the table shows, in a phrase. */
  readonly caption?: string;
}

interface Shape {
  readonly label: string;
  readonly right: boolean;
  readonly cells: readonly CellShape[];
}

interface CellShape {
  readonly text: string;
  readonly sort: string | number;
  readonly bold: boolean;
  readonly status?: Status;
}

/**
 * A table: one record per row.
 * @example
 * ```ts
 * import { show, table } from "quantbook/display";
 * const rows = [
 *   { alpha: 0.4, perplexity: { value: 23.91, standardError: 0.12 }, status: { status: "trend" as const } },
 *   { alpha: 0.5, perplexity: { value: 23.55, standardError: 0.12 }, status: { status: "reproduced" as const } },
 * ];
 * await show(table(rows, { columns: [{ key: "alpha", label: "α", digits: 2 }, "perplexity", "status"] }));
 * ```
 */
export function table<Row extends { readonly [K in keyof Row]: CellValue }>(
  rows: readonly Row[],
  options: TableOptions<keyof Row & string> = {},
): Display {
  const keys = options.columns ?? (rows.length > 0 ? Object.keys(rows[0]) as (keyof Row & string)[] : []);
  if (keys.length === 0) throw new DisplayError("empty", "Cannot show a table without rows and columns");
  const shapes = keys.map((key) => {
    const column = typeof key === "string" ? { key } : key;
    return shapeColumn(column, rows.map((row) => row[column.key]));
  });
  const caption = options.caption;
  const bundle = { "text/html": toHtml(shapes, caption), "text/plain": toText(shapes, caption) };
  return makeDisplay({ kind: "table", ...(caption === undefined ? {} : { caption }) }, () => bundle);
}

function shapeColumn(column: Column, values: readonly CellValue[]): Shape {
  const numbers = values.filter((value) => typeof value === "number" || isEstimate(value));
  const digits = column.digits ?? suitableDigits(numbers);
  const leader = column.best ? findLeader(values, column.best) : -1;
  const label = column.label ?? column.key;
  return {
    label: column.unit ? `${label} (${column.unit})` : label,
    right: column.align ? column.align === "right" : numbers.length > 0,
    cells: values.map((value, i) => ({ ...shapeCell(value, digits, column.key), bold: i === leader })),
  };
}

function shapeCell(value: CellValue, digits: number, key: string): Omit<CellShape, "bold"> {
  if (value === null || value === undefined) return { text: "–", sort: "" };
  if (typeof value === "number") return { text: formatNumber(value, digits), sort: value };
  if (typeof value === "string") return { text: value, sort: value };
  if (typeof value === "boolean") return { text: value ? "yes" : "no", sort: value ? 1 : 0 };
  if (isEstimate(value)) return { text: formatEstimate(value, digits), sort: value.value };
  if (isStatus(value.status)) {
    return {
      text: `${STATUS_MARKS[value.status]} ${value.status}`,
      sort: value.status,
      status: value.status,
    };
  }
  throw new DisplayError("cell", `Cannot show ${Deno.inspect(value)} in column "${key}" of a table`);
}

/** The row whose value leads the next best by more than two standard errors of their difference; -1 for none. */
function findLeader(values: readonly CellValue[], best: "min" | "max"): number {
  const ranked = values
    .flatMap((value, row) => (isEstimate(value) ? [{ row, ...value }] : []))
    .sort((a, b) => (best === "min" ? a.value - b.value : b.value - a.value));
  if (ranked.length < 2) return -1;
  const [first, second] = ranked;
  const lead = Math.abs(first.value - second.value);
  return lead > 2 * Math.hypot(first.standardError, second.standardError) ? first.row : -1;
}

function toHtml(shapes: readonly Shape[], caption?: string): string {
  // Jupyter and VS Code have no style sheet of ours: there the style attribute aligns, in the report the class does.
  const right = (shape: Shape) =>
    shape.right ? { class: "num", style: "text-align:right" } : { style: "text-align:left" };
  const head = shapes.map((shape) =>
    `<th${attributes({ scope: "col", ...right(shape) })}>${escapeHtml(shape.label)}</th>`
  );
  const body = range(rowCount(shapes)).map((row) =>
    `<tr>${
      shapes.map((shape) => {
        const cell = shape.cells[row];
        const text = escapeHtml(cell.text);
        const content = cell.status
          ? `<span class="status status-${cell.status}">${text}</span>`
          : cell.bold
          ? `<strong>${text}</strong>`
          : text;
        return `<td${attributes({ ...right(shape), "data-sort": cell.sort })}>${content}</td>`;
      }).join("")
    }</tr>`
  );
  const title = caption === undefined ? "" : `<caption>${escapeHtml(caption)}</caption>`;
  return `<table>${title}<thead><tr>${head.join("")}</tr></thead><tbody>${body.join("")}</tbody></table>`;
}

function toText(shapes: readonly Shape[], caption?: string): string {
  const widths = shapes.map((shape) =>
    Math.max(...[shape.label, ...shape.cells.map((cell) => cell.text)].map(width))
  );
  const line = (texts: readonly string[]) =>
    texts.map((text, i) => {
      const gap = " ".repeat(widths[i] - width(text));
      return shapes[i].right ? gap + text : text + gap;
    }).join("  ").trimEnd();
  const rule = widths.map((size) => "-".repeat(size)).join("  ");
  const body = range(rowCount(shapes)).map((row) => line(shapes.map((shape) => shape.cells[row].text)));
  return [
    ...(caption === undefined ? [] : [caption]),
    line(shapes.map((shape) => shape.label)),
    rule,
    ...body,
  ].join("\n");
}

function width(text: string): number {
  return [...text].length;
}

function rowCount(shapes: readonly Shape[]): number {
  return shapes[0].cells.length;
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
