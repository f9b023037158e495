/** The box that states what became of a published table or claim; the report collects them on its index. */
import { escapeHtml } from "../html.ts";
import { type Display, makeDisplay } from "./emit.ts";
import { isStatus, type Status, STATUS_MARKS } from "./status.ts";
import { DisplayError } from "./table.ts";

/** A verdict on one claim of a paper. */
export interface Verdict {
  readonly status: Status;
  /** The claim, such as `"Table 3: an interior optimum of alpha"`. */
  readonly title: string;
  /** The evidence in a sentence, with its numbers. */
  readonly detail: string;
  /** The published numbers that it is about, by id of the claim or of the whole table: "every number" links back. */
  readonly claims?: readonly string[];
}

/**
 * A verdict box.
 * @example
 * ```ts
 * import { show, verdict } from "quantbook/display";
 * await show(verdict({
 *   status: "trend",
 *   title: "Table 3: perplexity has an interior optimum in alpha",
 *   detail: "Lowest at 0.55, 4.1 standard errors below either end.",
 * }));
 * ```
 */
export function verdict({ status, title, detail, claims = [] }: Verdict): Display {
  if (!isStatus(status)) {
    throw new DisplayError("status", `Unknown status ${Deno.inspect(status)} of "${title}"`);
  }
  const mark = STATUS_MARKS[status];
  return makeDisplay({ kind: "verdict", status, title, detail, claims }, () => ({
    "text/html": `<div class="verdict"><strong>${mark} ${status}</strong> · ${escapeHtml(title)}<br>${
      escapeHtml(detail)
    }</div>`,
    "text/plain": `${mark} ${status} · ${title}\n  ${detail}`,
  }));
}
