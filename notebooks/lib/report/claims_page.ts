/** "Every number": each published cell beside the oracle, the measurement, the verdict and the witness. */
import { type Status, STATUS_MEANINGS } from "../display/status.ts";
import { formatNumber } from "../display/number.ts";
import { escapeHtml } from "../html.ts";
import { statusChip } from "./outputs.ts";
import type { Page } from "./page.ts";
import { countStatuses } from "./tally.ts";

/** One published number and what is known about it. */
export interface ClaimRow {
  readonly id: string;
  readonly paper: string;
  readonly table: string;
  readonly model: string;
  readonly method: string;
  /** Such as `"W4 A8, group 128"`. */
  readonly settings: string;
  readonly dataset: string;
  readonly metric: string;
  readonly claimed: number | null;
  /** The value of an independent implementation, on our weights and tokens. */
  readonly oracle?: number;
  readonly measured?: number;
  readonly standardError?: number;
  readonly status: Status;
  /** The notebook cell that measured it. */
  readonly witness?: { readonly href: string; readonly label: string };
  /** The command that measures it. */
  readonly command?: string;
}

/** Columns; `filter` asks the page's script for a selection box. */
const COLUMNS: readonly { readonly label: string; readonly number?: true; readonly filter?: true }[] = [
  { label: "Paper", filter: true },
  { label: "Table" },
  { label: "Model", filter: true },
  { label: "Method", filter: true },
  { label: "Settings" },
  { label: "Measure" },
  { label: "Claimed", number: true },
  { label: "Oracle", number: true },
  { label: "Measured", number: true },
  { label: "Status", filter: true },
  { label: "Witness" },
];

/** Renders the page of all claims. */
export function claimsPage(rows: readonly ClaimRow[]): Page {
  const witnessed = rows.filter((row) => row.status !== "unrun").length;
  const legend = countStatuses(rows).map(([status, count]) =>
    `<li>${statusChip(status, count)} <span>${escapeHtml(STATUS_MEANINGS[status])}</span></li>`
  );
  const head = COLUMNS.map(({ label, number, filter }) =>
    `<th scope="col"${number ? ' class="num"' : ""}${filter ? " data-filter" : ""}>${label}</th>`
  );
  const body = `<header class="title"><h1>Every number</h1>
<p class="question">${rows.length} published cells, ${witnessed} of them with a witness on this machine.</p></header>
<ul class="legend">${legend.join("")}</ul>
<p class="note">Claimed values were measured by their authors on full-size models. Oracle and measured values come from this
suite's small fixture models unless the row says otherwise: compare those two with each other, and orderings with the claims.</p>
<div class="table-box tall" tabindex="0" role="region" aria-label="Every published number">
<table class="claims"><thead><tr>${head.join("")}</tr></thead>
<tbody>
${rows.map(claimRow).join("\n")}
</tbody></table></div>`;
  return {
    file: "every-number.html",
    title: "Every number · quantbook",
    description:
      `The ${rows.length} published numbers of post-training quantization that quantbook checks, with their witnesses.`,
    body,
    kind: "data",
  };
}

function claimRow(row: ClaimRow): string {
  const cells = [row.paper, row.table, row.model, row.method, row.settings, `${row.metric}, ${row.dataset}`];
  const error = row.standardError === undefined ? "" : ` ± ${number(row.standardError)}`;
  const witness = row.witness
    ? `<a href="${escapeHtml(row.witness.href)}">${escapeHtml(row.witness.label)}</a>`
    : row.command
    ? `<code>${escapeHtml(row.command)}</code>`
    : "–";
  return `<tr id="${escapeHtml(row.id)}">${cells.map((text) => `<td>${escapeHtml(text)}</td>`).join("")}` +
    numberCell(row.claimed) + numberCell(row.oracle) + numberCell(row.measured, error) +
    `<td>${statusChip(row.status)}</td><td>${witness}</td></tr>`;
}

function numberCell(value: number | null | undefined, suffix = ""): string {
  if (value === null || value === undefined) return `<td class="num" data-sort="">–</td>`;
  return `<td class="num" data-sort="${value}">${number(value)}${suffix}</td>`;
}

/** At most four decimals, as many as the number has. */
function number(value: number): string {
  const text = formatNumber(value, 4);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
