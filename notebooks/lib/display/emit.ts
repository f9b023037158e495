/**
 * Where displays go: to the Jupyter kernel when there is one, else into a list that tests and scripts read.
 *
 * The same cell therefore runs in Jupyter and VS Code, in the report build (our executor drives the same kernel), and
 * as a plain module under `deno test`; the three can be compared output by output.
 */
import type { JsonObject } from "../json.ts";
import type { MimeBundle } from "../notebook/notebook.ts";

const JUPYTER_DISPLAY: unique symbol = Symbol.for("Jupyter.display");

/** Something that can be shown: a table, a plot, a verdict, a paragraph. */
export interface Display {
  /** The content in every format that a reader's tool may want. */
  render(): Promise<MimeBundle>;
  /** What the report knows about it: `{ quantbook: { kind, ... } }`. */
  readonly metadata: JsonObject;
  /** Lets a Jupyter cell that *ends* with the display show it; only `show` works everywhere. */
  [JUPYTER_DISPLAY](): Promise<MimeBundle>;
}

/** A display that was shown outside of Jupyter. */
export interface Shown {
  /** The number of the cell that showed it; 0 where cells are not tracked. */
  readonly cell: number;
  readonly data: MimeBundle;
  readonly metadata: JsonObject;
}

/** Makes a display from its description for the report and the function that renders it. */
export function makeDisplay(about: JsonObject, render: () => MimeBundle | Promise<MimeBundle>): Display {
  const rendered = async () => await render();
  return { metadata: { quantbook: about }, render: rendered, [JUPYTER_DISPLAY]: rendered };
}

/**
 * Shows displays, in order, and resolves when they are out.
 * @example
 * ```ts
 * import { markdown, show } from "quantbook/display";
 * await show(markdown("Two *tables* follow."));
 * ```
 */
export async function show(...displays: readonly Display[]): Promise<void> {
  for (const display of displays) await emit("display_data", await display.render(), display.metadata);
}

/** Publishes one bundle, or an update of the one with the same `id`. Updates are not collected outside Jupyter. */
export async function emit(
  type: "display_data" | "update_display_data",
  data: MimeBundle,
  metadata: JsonObject,
  id?: string,
): Promise<void> {
  const jupyter = kernel();
  if (jupyter) {
    await jupyter.broadcast(type, { data, metadata, transient: id === undefined ? {} : { display_id: id } });
  } else if (type === "display_data") {
    collected.push({ cell: currentCell, data, metadata });
  }
}

/** The kernel's interface, or null in a plain module, where merely asking for it throws. */
export function kernel(): typeof Deno.jupyter | null {
  try {
    return Deno.jupyter;
  } catch {
    return null;
  }
}

const collected: Shown[] = [];
let currentCell = 0;

/** Marks the start of a cell in a module generated from a notebook: what follows is collected under its number. */
export function beginCell(cell: number): void {
  currentCell = cell;
}

/** What was shown so far outside of Jupyter; the list starts anew. */
export function takeShown(): Shown[] {
  currentCell = 0;
  return collected.splice(0);
}
