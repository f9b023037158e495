/**
 * Executes notebooks for the report, or takes the outputs of an earlier run of the same sources.
 *
 * The key of a run is the hash of the notebook's code and prose, of every file that its numbers can depend on, and of
 * the settings in the environment. Nothing is trusted to be unchanged by its date.
 */
import { writeAtomic } from "../../../base/file.ts";
import { createHash } from "node:crypto";
import { basename, dirname, join, relative } from "node:path";
import { readAbout } from "../notebook/about.ts";
import { executeNotebook } from "../jupyter/execute.ts";
import { readNotebook, ROOT } from "../notebook/files.ts";
import { isObject, own } from "../json.ts";
import { formatNotebook, type Notebook, parseNotebook } from "../notebook/notebook.ts";
import type { Executed } from "./notebook_page.ts";

/** What notebooks can depend on. The report's own code is left out: it changes how outputs look, not what they are. */
const SOURCES = [
  "deno.json",
  "deno.lock",
  "mod.ts",
  "base",
  "kernels",
  "model",
  "quant",
  "eval",
  "fixtures",
  "notebooks/lib",
];
const IRRELEVANT = new RegExp(`_test(?:ing)?\\.ts$|^notebooks/lib/(?:report/|report\\.ts$|check)|/\\.`);
const SETTINGS = ["QUANTBOOK_DEVICE"];

/** Where runs are kept. */
export const EXECUTED = join(ROOT, ".quantbook/executed");

/** An executed notebook and, when a cell failed, the error. */
export interface Run extends Executed {
  readonly error: string | null;
  readonly cached: boolean;
}

/** The hash of all sources and settings, common to the keys of all notebooks. */
export async function sourceHash(root = ROOT): Promise<string> {
  const hash = createHash("sha256");
  for (const source of SOURCES) {
    for await (const path of files(join(root, source))) {
      const name = relative(root, path);
      if (IRRELEVANT.test(name)) continue;
      hash.update(`${name}\0`).update(createHash("sha256").update(await Deno.readFile(path)).digest());
    }
  }
  for (const name of SETTINGS) hash.update(`${name}=${Deno.env.get(name) ?? ""}\0`);
  return hash.digest("hex");
}

/** How `executed` runs. */
export interface ExecutedOptions {
  /** Where runs are kept; default {@linkcode EXECUTED}. */
  readonly folder?: string;
  /** Executes even if there is a run of the same sources. */
  readonly fresh?: boolean;
  /** Added to the environment of the kernel. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the text of progress lines. */
  readonly onProgress?: (text: string) => void;
}

/** Executes the notebook at `path` beside its file, unless `folder` holds a successful run of the same sources. */
export async function executed(
  path: string,
  sources: string,
  { folder = EXECUTED, fresh = false, env, onProgress }: ExecutedOptions = {},
): Promise<Run> {
  const name = basename(path, ".ipynb");
  const notebook = await readNotebook(path);
  const about = readAbout(notebook, name);
  const key = createHash("sha256").update(sources).update(formatNotebook(withoutOutputs(notebook))).digest(
    "hex",
  );
  const file = join(folder, `${name}.ipynb`);
  const earlier = fresh ? null : await readRun(file, key);
  if (earlier) {
    return { name, about, notebook: earlier.notebook, seconds: earlier.seconds, error: null, cached: true };
  }
  let error: string | null = null;
  const started = performance.now();
  await executeNotebook(notebook, {
    cwd: dirname(path),
    env,
    onProgress,
    onCell: (result) => {
      if (result.error !== null) error = `${name}.ipynb cell [${result.cell}]: ${result.error}`;
    },
  });
  const seconds = (performance.now() - started) / 1000;
  if (error === null) {
    await Deno.mkdir(folder, { recursive: true });
    const kept = { ...notebook, metadata: { ...notebook.metadata, quantbookRun: { key, seconds } } };
    // Complete or not at all: a reader never sees half a file.
    await writeAtomic(file, [new TextEncoder().encode(formatNotebook(kept))]);
  }
  return { name, about, notebook, seconds, error, cached: false };
}

/** The outputs that a notebook was committed with, or null if it has none: what a build shows that does not run it. */
export async function committed(path: string): Promise<Run | null> {
  const name = basename(path, ".ipynb");
  const notebook = await readNotebook(path);
  const shows = notebook.cells.some((cell) => cell.cell_type === "code" && cell.outputs.length > 0);
  return shows
    ? { name, about: readAbout(notebook, name), notebook, seconds: 0, error: null, cached: true }
    : null;
}

async function readRun(file: string, key: string): Promise<{ notebook: Notebook; seconds: number } | null> {
  try {
    const notebook = parseNotebook(await Deno.readFile(file), basename(file));
    const run = own(notebook.metadata, "quantbookRun");
    const seconds = own(run, "seconds");
    return isObject(run) && run.key === key && typeof seconds === "number" ? { notebook, seconds } : null;
  } catch {
    return null;
  }
}

function withoutOutputs(notebook: Notebook): Notebook {
  const cells = notebook.cells.map((cell) =>
    cell.cell_type === "code" ? { ...cell, outputs: [], execution_count: null } : cell
  );
  return { ...notebook, cells, metadata: {} };
}

async function* files(path: string): AsyncGenerator<string> {
  const info = await Deno.stat(path).catch(() => null);
  if (info?.isFile) yield path;
  if (!info?.isDirectory) return;
  const names: string[] = [];
  for await (const entry of Deno.readDir(path)) names.push(entry.name);
  for (const name of names.sort()) yield* files(join(path, name));
}
