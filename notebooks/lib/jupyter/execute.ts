/** Runs the code cells of a notebook, top to bottom, in a fresh kernel, and stores what they display. */
import { type CellFailure, DenoKernel, KernelError, type KernelOptions } from "./kernel.ts";
import { type JsonObject, objectAt, stringAt } from "../json.ts";
import type { Message } from "./message.ts";
import {
  type CodeCell,
  type MimeBundle,
  type Notebook,
  type Output,
  readBundle,
} from "../notebook/notebook.ts";

/** What became of one code cell. */
export interface CellResult {
  /** 1 for the first code cell that holds code; Jupyter shows the same number as `[1]`. */
  readonly cell: number;
  readonly seconds: number;
  /** `null` when the cell succeeded; else its error. */
  readonly error: string | null;
}

/** Options of `executeNotebook`. */
export interface ExecuteOptions extends KernelOptions {
  /** The limit for each cell; 0, the default, is none. */
  readonly timeoutSeconds?: number;
  /** Called after each cell. */
  readonly onCell?: (result: CellResult) => void;
  /** Called with the text of progress lines, which are not stored. */
  readonly onProgress?: (text: string) => void;
}

/**
 * Runs a notebook and replaces its outputs; stops at the first cell that fails. Never throws for what a cell does:
 * an error, a timeout or a dead kernel is stored as the cell's output and reported as its result.
 */
export async function executeNotebook(
  notebook: Notebook,
  options: ExecuteOptions = {},
): Promise<CellResult[]> {
  const cells = notebook.cells.filter((cell) => cell.cell_type === "code");
  for (const cell of cells) {
    cell.outputs = [];
    cell.execution_count = null;
  }
  await using kernel = await DenoKernel.start(options);
  const displays = new Map<string, ShownOutput[]>();
  const results: CellResult[] = [];
  for (const cell of cells.filter((cell) => cell.source.trim() !== "")) {
    const started = performance.now();
    const error = await runCell(kernel, cell, displays, options);
    const result = { cell: results.length + 1, seconds: (performance.now() - started) / 1000, error };
    results.push(result);
    options.onCell?.(result);
    if (error !== null) return results;
  }
  notebook.metadata = { ...notebook.metadata, language_info: await kernel.languageInfo() };
  return results;
}

type ShownOutput = Extract<Output, { output_type: "display_data" | "execute_result" }>;

async function runCell(
  kernel: DenoKernel,
  cell: CodeCell,
  displays: Map<string, ShownOutput[]>,
  options: ExecuteOptions,
): Promise<string | null> {
  const collector = new OutputCollector(cell, displays, options.onProgress);
  try {
    const end = await kernel.execute(
      cell.source,
      (message) => collector.add(message),
      options.timeoutSeconds,
    );
    cell.execution_count = end.executionCount;
    if (end.failure === null) return null;
    return collector.failed(end.failure);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    cell.outputs.push({ output_type: "error", ename: error.name, evalue: error.message, traceback: [] });
    return `${error.name}: ${error.message}`;
  } finally {
    cell.outputs = cell.outputs.filter((output) => !isProgress(output));
  }
}

/** Turns the messages of one cell into its outputs, by the rules of the Jupyter protocol. */
class OutputCollector {
  #clearNext = false;

  constructor(
    private readonly cell: CodeCell,
    private readonly displays: Map<string, ShownOutput[]>,
    private readonly onProgress: (text: string) => void = () => {},
  ) {}

  add({ type, content }: Message): void {
    switch (type) {
      case "stream":
        return this.#stream(content);
      case "display_data":
        return this.#show({ output_type: type, ...shown(content) }, content);
      case "execute_result": {
        const count = content.execution_count;
        const executionCount = typeof count === "number" ? count : null;
        return this.#show({ output_type: type, execution_count: executionCount, ...shown(content) }, content);
      }
      case "update_display_data": {
        const update = shown(content);
        if (isProgress(update)) this.onProgress(String(update.data["text/plain"] ?? ""));
        for (const output of this.displays.get(displayId(content)) ?? []) Object.assign(output, update);
        return;
      }
      case "clear_output":
        if (content.wait === true) this.#clearNext = true;
        else this.cell.outputs = [];
        return;
      case "error":
        return this.#error(content);
    }
  }

  /**
   * Describes the error that ended the cell, without a line: the kernel's positions are those of its transpiled code.
   * For code that it cannot parse it says only "Execution failed" and publishes nothing.
   */
  failed({ name, message }: CellFailure): string {
    const stored = this.cell.outputs.some((output) => output.output_type === "error");
    const hint = message === "Execution failed"
      ? " (does it parse? notebooks/lib/check.ts names the line)"
      : "";
    if (!stored) this.#put({ output_type: "error", ename: name, evalue: message + hint, traceback: [] });
    return `${name}: ${message}${hint}`;
  }

  #put(output: Output): void {
    if (this.#clearNext) this.cell.outputs = [];
    this.#clearNext = false;
    this.cell.outputs.push(output);
  }

  #stream(content: JsonObject): void {
    const name = content.name === "stderr" ? "stderr" : "stdout";
    const text = stringAt(content, "text");
    const last = this.cell.outputs.at(-1);
    if (!this.#clearNext && last?.output_type === "stream" && last.name === name) last.text += text;
    else this.#put({ output_type: "stream", name, text });
  }

  #show(output: ShownOutput, content: JsonObject): void {
    if (isProgress(output)) this.onProgress(String(output.data["text/plain"] ?? ""));
    this.#put(output);
    const id = displayId(content);
    if (id !== "") this.displays.set(id, [...this.displays.get(id) ?? [], output]);
  }

  #error(content: JsonObject): void {
    const traceback = Array.isArray(content.traceback) ? content.traceback.map(String) : [];
    this.#put({
      output_type: "error",
      ename: stringAt(content, "ename", "Error"),
      evalue: stringAt(content, "evalue"),
      traceback,
    });
  }
}

function shown(content: JsonObject): { data: MimeBundle; metadata: JsonObject } {
  return { data: readBundle(content.data), metadata: objectAt(content, "metadata") };
}

function displayId(content: JsonObject): string {
  return stringAt(objectAt(content, "transient"), "display_id");
}

/** Progress lines tell how far a run is: they mean nothing once it has ended, and would differ between runs. */
function isProgress(output: object): boolean {
  return "metadata" in output && stringAt(objectAt(output.metadata, "quantbook"), "kind") === "progress";
}
