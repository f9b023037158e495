/** Published numbers as data: every cell of every table that the notebooks compare with. */
import { fixture } from "../../base/fixture.ts";
import { type FilePath, namesIn, pathOf, readBytes } from "../../base/file.ts";
import { QuantbookError } from "../../base/error.ts";
import { decodeUtf8, isJsonObject, type JsonObject, own, parseJson } from "../../base/json.ts";

/**
 * A file of published numbers is malformed, or a table does not exist. Codes: `"missing"`, `"json"`, `"format"` (naming the
 * field), `"duplicate"` (two cells with one id), `"table"` (unknown table).
 */
export class ClaimError extends QuantbookError {
  /** What went wrong, stable across releases. */
  declare readonly code: "missing" | "json" | "format" | "duplicate" | "table";
}

/** A value of a method's setting. */
export type Setting = string | number | boolean | null;

/** One published number. */
export interface Claim {
  /** Stable: table, model, method, settings and column, joined by `/`. */
  readonly id: string;
  /** The file it stands in, such as `"gptq"`. */
  readonly paper: string;
  /** Id of the table. */
  readonly table: string;
  /** Model as the table names it. */
  readonly model: string | null;
  /** Method as the table names it. */
  readonly method: string | null;
  /** Such as `{ bits: 4, groupsize: 128 }`. */
  readonly settings: Readonly<Record<string, Setting>>;
  /** Such as `"wikitext2"`. */
  readonly dataset: string | null;
  /** Such as `"perplexity"`, `"acc"`, `"latency"`. */
  readonly metric: string | null;
  /** The column of the table. */
  readonly key: string;
  /** The number as printed. */
  readonly value: number;
  /** Line or lines of the source text. */
  readonly sourceLine: number | readonly number[] | null;
}

/** A column of a published table. */
export interface ClaimColumn {
  /** Name of the column, unique in the table. */
  readonly key: string;
  /** Such as `"perplexity"`. */
  readonly metric: string | null;
  /** Such as `"wikitext2"`. */
  readonly dataset: string | null;
  /** Such as `"ms"` or `"%"`. */
  readonly unit: string | null;
  /** Set when each column belongs to another model. */
  readonly model: string | null;
  /** Null where it is no measure of quality. */
  readonly higherIsBetter: boolean | null;
}

/** A published table: what it is called and its cells, in the order of print. */
export interface ClaimTable {
  /** Unique, such as `"gptq_opt_ppl"`. */
  readonly id: string;
  /** The file it stands in, such as `"gptq"`. */
  readonly paper: string;
  /** As printed. */
  readonly title: string;
  /** Heading in the source. */
  readonly section: string;
  /** Which text it was printed in. */
  readonly source: string;
  /** Remarks on the table: settings as stated, contradictions. */
  readonly notes: readonly string[];
  /** In the order of print. */
  readonly columns: readonly ClaimColumn[];
  /** Row by row. */
  readonly claims: readonly Claim[];
  /** Numbers that stand beside printed answers, in tables that hold text. */
  readonly annotations: readonly Annotation[];
}

/** A number beside a sample of generated text. */
export interface Annotation {
  /** Method and precision as printed, such as `"W4A16 GPTQ"`. */
  readonly label: string;
  /** What the number is, such as `"Wiki2 ppl"`. */
  readonly measure: string;
  /** As printed. */
  readonly value: number;
}

/**
 * Reads all published tables, by file name and then in the order of print.
 *
 * @param from a directory of claim files (default: the suite's own)
 * @throws {ClaimError} `missing`, `json`, `format` or `duplicate`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const tables = await loadClaimTables();
 * assertEquals(tables.find(({ id }) => id === "kivi_ppl")?.paper, "kivi");
 * ```
 */
export async function loadClaimTables(from?: FilePath): Promise<ClaimTable[]> {
  const folder = from === undefined ? await fixture("claims") : pathOf(from);
  const names = await namesIn(folder).catch((cause) => {
    throw new ClaimError("missing", `${folder}: no such directory of claims`, { cause });
  });
  const files = await Promise.all(
    names.filter((name) => name.endsWith(".json"))
      .map(async (name) => parseClaims(name, await readBytes(`${folder}/${name}`))),
  );
  const tables = files.flat();
  const seen = new Set<string>();
  for (const { id } of tables.flatMap(({ claims }) => claims)) {
    if (seen.has(id)) throw new ClaimError("duplicate", `two claims have the id ${id}`);
    seen.add(id);
  }
  return tables;
}

/**
 * Parses one file of claims.
 *
 * @throws {ClaimError} `json` or `format`, naming the field
 */
export function parseClaims(file: string, bytes: Uint8Array): ClaimTable[] {
  let json: unknown;
  try {
    json = parseJson(decodeUtf8(bytes));
  } catch (cause) {
    throw new ClaimError("json", `${file}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  const root = object(json, file);
  const paper = text(root, "paper", file);
  return list(root, "tables", file).map((entry, i) => {
    const where = `${file}: tables[${i}]`;
    const table = object(entry, where);
    const id = text(table, "id", where);
    const notes = own(table, "notes") ?? [];
    return {
      id,
      paper,
      title: text(table, "title", where),
      section: text(table, "section", where),
      source: text(table, "source", where),
      notes: (Array.isArray(notes) ? notes : [notes]).map(String),
      columns: list(table, "columns", where).map((column, j) => {
        return parseColumn(object(column, `${where}.columns[${j}]`), `${where}.columns[${j}]`);
      }),
      claims: list(table, "records", where).map((record, j) => {
        const place = `${where}.records[${j}]`;
        return parseClaim(object(record, place), paper, id, place);
      }),
      annotations: parseAnnotations(own(table, "rows")),
    };
  });
}

/** Rows of other tables have no annotation. */
function parseAnnotations(rows: unknown): Annotation[] {
  return (Array.isArray(rows) ? rows : []).flatMap((row) => {
    if (!isJsonObject(row)) return [];
    const [label, measure, value] = ["label", "annotation", "value"].map((key) => own(row, key));
    const whole = typeof label === "string" && typeof measure === "string" && typeof value === "number";
    return whole ? [{ label, measure, value }] : [];
  });
}

function parseColumn(column: JsonObject, where: string): ClaimColumn {
  const better = own(column, "higherIsBetter");
  return {
    key: text(column, "key", where),
    metric: textOrNull(column, "metric", where),
    dataset: textOrNull(column, "dataset", where),
    unit: textOrNull(column, "unit", where),
    model: textOrNull(column, "model", where),
    higherIsBetter: typeof better === "boolean" ? better : null,
  };
}

function parseClaim(record: JsonObject, paper: string, table: string, where: string): Claim {
  const settings: [string, Setting][] = [];
  for (const [name, value] of Object.entries(object(own(record, "settings"), `${where}.settings`))) {
    const kind = typeof value;
    if (value !== null && kind !== "string" && kind !== "number" && kind !== "boolean") {
      throw new ClaimError("format", `${where}.settings.${name} must be a plain value, got ${kind}`);
    }
    settings.push([name, value as Setting]);
  }
  const value = own(record, "value");
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new ClaimError("format", `${where}.value must be a finite number, got ${JSON.stringify(value)}`);
  }
  const line = own(record, "sourceLine") ?? null;
  const lines = Array.isArray(line) ? line : line === null ? [] : [line];
  if (!lines.every((one) => Number.isSafeInteger(one))) {
    throw new ClaimError("format", `${where}.sourceLine must be a line number or a list of them`);
  }
  const model = textOrNull(record, "model", where);
  const method = textOrNull(record, "method", where);
  const key = text(record, "key", where);
  const named = settings.map(([name, setting]) => `${name}=${setting}`).join(",");
  return {
    id: [table, model ?? "-", method ?? "-", named || "-", key].join("/"),
    paper,
    table,
    model,
    method,
    settings: Object.fromEntries(settings),
    dataset: textOrNull(record, "dataset", where),
    metric: textOrNull(record, "metric", where),
    key,
    value,
    sourceLine: line as Claim["sourceLine"],
  };
}

function object(value: unknown, where: string): JsonObject {
  if (!isJsonObject(value)) throw new ClaimError("format", `${where} must be an object`);
  return value;
}

function list(parent: JsonObject, key: string, where: string): unknown[] {
  const value = own(parent, key);
  if (!Array.isArray(value)) throw new ClaimError("format", `${where}.${key} must be a list`);
  return value;
}

function text(parent: JsonObject, key: string, where: string): string {
  const value = own(parent, key);
  if (typeof value !== "string") {
    throw new ClaimError("format", `${where}.${key} must be a string, got ${JSON.stringify(value)}`);
  }
  return value;
}

function textOrNull(parent: JsonObject, key: string, where: string): string | null {
  return (own(parent, key) ?? null) === null ? null : text(parent, key, where);
}
