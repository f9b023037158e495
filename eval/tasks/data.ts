/** Task data from outside: rows of JSONL, JSON, CSV and Parquet files and the raw WikiText, each with the line that it stands on. */
import { readBytes, statOf, trimmedPath, withLineFeeds } from "../../base/file.ts";
import { fixture } from "../../base/fixture.ts";
// @ts-types="./csv_parse.d.ts"
import { parse } from "csv-parse/sync";
import { type DatasetPart, hubDataset } from "../../model/hub.ts";
import { isJsonObject, type JsonObject, own, parseJson } from "../../base/json.ts";
import { TaskError } from "./error.ts";
import { DataRow } from "./row.ts";
import { wikitextPages } from "./sets/wikitext.ts";

/** The formats, in the order in which a directory is searched. */
export const extensions = ["jsonl", "json", "csv", "parquet", "raw"] as const;

/** The folder of the suite's own task sets. */
export function ownTasks(): Promise<string> {
  return fixture("tasks");
}

/**
 * The rows of a data file.
 *
 * @throws {TaskError} `missing`, `encoding`, `json`, `csv`, `parquet`, `format` or `empty`, naming file and line
 */
export async function readRows(path: string): Promise<DataRow[]> {
  const bytes = await bytesOf(path);
  const extension = path.slice(path.lastIndexOf(".") + 1);
  let rows: DataRow[];
  if (extension === "parquet") rows = await parquetRows(path, bytes);
  else if (extension === "csv") rows = csvRows(path, decode(path, bytes));
  else if (extension === "json") rows = jsonRows(path, decode(path, bytes));
  else if (extension === "jsonl") rows = lineRows(path, decode(path, bytes));
  else if (extension === "raw") rows = pageRows(path, decode(path, bytes));
  else throw new TaskError("option", `${path}: expected a file of ${extensions.join(", ")}`);
  if (rows.length === 0) throw new TaskError("empty", `${path}:1: no examples`);
  return rows;
}

/** The rows of a part of a public set on the hub, in the order of its files. */
export async function hubRows(part: DatasetPart): Promise<DataRow[]> {
  const rows: DataRow[] = [];
  for (const path of await hubDataset(part)) rows.push(...await readRows(path));
  return rows;
}

/** Rows that are already in memory. */
export function rowsOfObjects(name: string, objects: readonly JsonObject[]): DataRow[] {
  if (objects.length === 0) throw new TaskError("empty", `${name} is empty: expected at least one example`);
  return objects.map((one, i) => new DataRow(one, `${name}[${i}]`));
}

/** The file of a task's split in a directory: `base.split.ext`, or `base.ext`; undefined when there is none. */
export async function findFile(directory: string, base: string, split: string): Promise<string | undefined> {
  for (const stem of split === "" ? [base] : [`${base}.${split}`]) {
    for (const extension of extensions) {
      const path = `${trimmedPath(directory)}/${stem}.${extension}`;
      if (await isFile(path)) return path;
    }
  }
  return undefined;
}

/** Whether there is a file of that name. */
export async function isFile(path: string): Promise<boolean> {
  return (await statOf(path).catch(() => null))?.isFile ?? false;
}

/** The text of a file in UTF-8; a byte order mark is dropped, line ends become line feeds. */
export async function readText(path: string): Promise<string> {
  return withLineFeeds(decode(path, await bytesOf(path)));
}

async function bytesOf(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readBytes(path);
  } catch (cause) {
    throw new TaskError("missing", `${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new TaskError("encoding", `${path}:${badLine(bytes)}: the text is not UTF-8`, { cause });
  }
}

/** The first line whose bytes are not UTF-8: a line feed is never part of another character. */
function badLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let line = 1, start = 0;; line++) {
    const end = bytes.indexOf(10, start);
    try {
      decoder.decode(bytes.subarray(start, end < 0 ? bytes.length : end));
    } catch {
      return line;
    }
    if (end < 0) return line;
    start = end + 1;
  }
}

function lineRows(path: string, text: string): DataRow[] {
  return text.split("\n").flatMap((line, i) => {
    const where = `${path}:${i + 1}`;
    return line.trim() === "" ? [] : [new DataRow(objectOf(where, parsed(where, line)), where)];
  });
}

function jsonRows(path: string, text: string): DataRow[] {
  const value = parsed(`${path}:1`, text);
  const examples = isJsonObject(value) ? own(value, "examples") : value;
  if (!Array.isArray(examples)) {
    throw new TaskError("format", `${path}:1: expected a list of examples, or an object with "examples"`);
  }
  const depth = examples === value ? 1 : 2;
  const lines = elementLines(text, depth);
  return examples.map((one, i) => {
    const where = `${path}:${lines[i] ?? 1}`;
    return new DataRow(objectOf(where, one), where);
  });
}

/** The lines on which the objects at a nesting depth of valid JSON begin. */
function elementLines(text: string, wanted: number): number[] {
  const lines: number[] = [];
  let depth = 0, line = 1, quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === "\n") line++;
    else if (quoted && char === "\\") at++;
    else if (char === '"') quoted = !quoted;
    else if (!quoted && (char === "{" || char === "[")) {
      if (depth === wanted && char === "{") lines.push(line);
      depth++;
    } else if (!quoted && (char === "}" || char === "]")) depth--;
  }
  return lines;
}

function csvRows(path: string, text: string): DataRow[] {
  try {
    const records = parse(text, { columns: true, bom: true, info: true, skip_empty_lines: true });
    return records.map(({ record, info }) => new DataRow(record, `${path}:${info.lines}`));
  } catch (cause) {
    const line = isJsonObject(cause) && typeof cause.lines === "number" ? cause.lines : 1;
    throw new TaskError("csv", `${path}:${line}: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}

async function parquetRows(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<DataRow[]> {
  // Loaded by those who need it: most sets are text.
  const { parquetReadObjects } = await import("hyparquet");
  try {
    const objects = await parquetReadObjects({ file: bytes.buffer });
    return objects.map((one, i) =>
      new DataRow(objectOf(`${path}: row ${i + 1}`, plain(one)), `${path}: row ${i + 1}`)
    );
  } catch (cause) {
    if (cause instanceof TaskError) throw cause;
    throw new TaskError("parquet", `${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

function pageRows(path: string, text: string): DataRow[] {
  return wikitextPages(withLineFeeds(text)).map(({ page, line }) => new DataRow({ page }, `${path}:${line}`));
}

/** Parquet has 64-bit integers; no label needs more than a number holds. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}

function parsed(where: string, text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new TaskError("json", `${where}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

function objectOf(where: string, value: unknown): JsonObject {
  if (isJsonObject(value)) return value;
  throw new TaskError("format", `${where}: expected an object, got ${JSON.stringify(value)?.slice(0, 60)}`);
}
