/**
 * Reads and writes Jupyter notebooks (nbformat 4): untrusted JSON in, typed cells out, stable text back. Keys that are not
 * named here, of the file, of cells and of outputs, are other programs': they stay where they are.
 */
import { QuantbookError } from "../../../base/error.ts";
import { canonicalJson, isObject, type Json, type JsonObject, own } from "../json.ts";

/** A file is not a notebook that this suite can run. */
export class NotebookError extends QuantbookError {}

/** What a cell displayed, as MIME type -> text, or JSON for `application/*json`. */
export type MimeBundle = Readonly<Record<string, Json>>;

/** One output of a code cell. */
export type Output =
  | { readonly output_type: "stream"; readonly name: "stdout" | "stderr"; text: string }
  | { readonly output_type: "display_data"; data: MimeBundle; metadata: JsonObject }
  | {
    readonly output_type: "execute_result";
    readonly execution_count: number | null;
    data: MimeBundle;
    metadata: JsonObject;
  }
  | {
    readonly output_type: "error";
    readonly ename: string;
    readonly evalue: string;
    readonly traceback: readonly string[];
  };

/** A cell of code with what it printed. */
export interface CodeCell {
  readonly cell_type: "code";
  readonly id?: string;
  readonly metadata: JsonObject;
  source: string;
  outputs: Output[];
  execution_count: number | null;
}

/** A cell of prose. */
export interface TextCell {
  readonly cell_type: "markdown" | "raw";
  readonly id?: string;
  readonly metadata: JsonObject;
  readonly source: string;
  /** Files that were pasted into it, by name; each a MIME bundle. */
  readonly attachments?: Json;
}

/** A cell of a notebook. */
export type NotebookCell = CodeCell | TextCell;

/** A notebook of nbformat 4. */
export interface Notebook {
  readonly cells: NotebookCell[];
  metadata: JsonObject;
  readonly nbformat: 4;
  readonly nbformat_minor: number;
}

/** Reads the bytes or the text of a notebook; `name` is what error messages call it. */
export function parseNotebook(content: Uint8Array | string, name = "notebook"): Notebook {
  const refuse = (code: string, message: string): never => {
    throw new NotebookError(code, `Cannot read ${name}: ${message}`);
  };
  let text: string;
  let root: unknown;
  try {
    text = typeof content === "string" ? content : new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch {
    return refuse("encoding", "its bytes are not UTF-8");
  }
  try {
    root = JSON.parse(text);
  } catch (error) {
    return refuse("json", `it is not JSON (${error instanceof Error ? error.message : "unreadable"})`);
  }
  if (!isObject(root)) return refuse("cells", 'expected an object with "nbformat" and "cells"');
  if (own(root, "nbformat") !== 4) {
    return refuse("nbformat", `nbformat is ${JSON.stringify(root.nbformat) ?? "missing"}, expected 4`);
  }
  const metadata = root.metadata;
  const kernel = own(own(metadata, "kernelspec"), "name");
  if (!isObject(metadata) || typeof kernel !== "string") {
    return refuse("kernelspec", 'metadata.kernelspec.name must be a string, such as "deno"');
  }
  if (kernel !== "deno") {
    return refuse(
      "kernel",
      `metadata.kernelspec.name is ${JSON.stringify(kernel)}, only the kernel "deno" is run`,
    );
  }
  const cells = root.cells;
  if (!Array.isArray(cells)) return refuse("cells", "cells must be a list");
  const minor = root.nbformat_minor;
  return {
    ...root,
    cells: cells.map((cell, index) => readCell(cell, `cells[${index}]`, refuse)),
    metadata,
    nbformat: 4,
    nbformat_minor: typeof minor === "number" && Number.isInteger(minor) ? minor : 5,
  };
}

type Refuse = (code: string, message: string) => never;

function readCell(cell: unknown, at: string, refuse: Refuse): NotebookCell {
  if (!isObject(cell)) return refuse("cells", `${at} must be an object`);
  const source = joinText(own(cell, "source"));
  if (source === undefined) {
    return refuse("source", `${at}.source must be a string or a list of strings`);
  }
  const metadata = isObject(cell.metadata) ? cell.metadata : {};
  const { id: given, ...others } = cell;
  const id = typeof given === "string" ? { id: given } : {};
  const type = own(cell, "cell_type");
  if (type === "markdown" || type === "raw") return { ...others, cell_type: type, ...id, metadata, source };
  if (type !== "code") {
    return refuse("cell_type", `${at}.cell_type is ${JSON.stringify(type)}, expected code, markdown or raw`);
  }
  const outputs = own(cell, "outputs") ?? [];
  if (!Array.isArray(outputs)) return refuse("outputs", `${at}.outputs must be a list`);
  const count = own(cell, "execution_count");
  return {
    ...others,
    cell_type: "code",
    ...id,
    metadata,
    source,
    outputs: outputs.map((output, i) => readOutput(output, `${at}.outputs[${i}]`, refuse)),
    execution_count: typeof count === "number" ? count : null,
  };
}

function readOutput(output: unknown, at: string, refuse: Refuse): Output {
  const type = own(output, "output_type");
  const metadata = own(output, "metadata");
  const others = isObject(output) ? output : {};
  const shown = () => ({
    data: readBundle(own(output, "data")),
    metadata: isObject(metadata) ? metadata : {},
  });
  switch (type) {
    case "stream":
      return {
        ...others,
        output_type: type,
        name: own(output, "name") === "stderr" ? "stderr" : "stdout",
        text: joinText(own(output, "text")) ?? "",
      };
    case "display_data":
      return { ...others, output_type: type, ...shown() };
    case "execute_result": {
      const count = own(output, "execution_count");
      return {
        ...others,
        output_type: type,
        execution_count: typeof count === "number" ? count : null,
        ...shown(),
      };
    }
    case "error": {
      const traceback = own(output, "traceback");
      return {
        ...others,
        output_type: type,
        ename: String(own(output, "ename") ?? "Error"),
        evalue: String(own(output, "evalue") ?? ""),
        traceback: Array.isArray(traceback) ? traceback.map(String) : [],
      };
    }
    default:
      return refuse("outputs", `${at}.output_type in outputs is ${JSON.stringify(type)}`);
  }
}

/** Reads a MIME bundle, joining the line lists that nbformat stores for text. */
export function readBundle(data: unknown): MimeBundle {
  if (!isObject(data)) return {};
  return Object.fromEntries(
    Object.entries(data).map(([mime, value]) => [mime, isJsonMime(mime) ? value : joinText(value) ?? value]),
  );
}

/** The text of a notebook file: keys sorted and indented by one as Jupyter's own writer does, so that diffs stay small. */
export function formatNotebook(notebook: Notebook): string {
  const cells = notebook.cells.map((cell) =>
    cell.cell_type === "code"
      ? { ...cell, source: splitText(cell.source), outputs: cell.outputs.map(formatOutput) }
      : { ...cell, source: splitText(cell.source) }
  );
  return canonicalJson({ ...notebook, cells }, 1) + "\n";
}

function formatOutput(output: Output): unknown {
  if (output.output_type === "stream") return { ...output, text: splitText(output.text) };
  if (output.output_type === "error") return output;
  const data = Object.entries(output.data).map(([mime, value]) => [
    mime,
    typeof value === "string" && mime.startsWith("text/") ? splitText(value) : value,
  ]);
  return { ...output, data: Object.fromEntries(data) };
}

function isJsonMime(mime: string): boolean {
  return /^application\/(?:[\w.+-]*\+)?json$/.test(mime);
}

function joinText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return Array.isArray(value) && value.every((line) => typeof line === "string") ? value.join("") : undefined;
}

function splitText(text: string): readonly string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}
