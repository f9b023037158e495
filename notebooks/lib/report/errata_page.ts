/** Errata: published cells that contradict themselves or another table, each with its arithmetic. */
import { escapeHtml } from "../html.ts";
import type { Page } from "./page.ts";
import { renderMath } from "./math.ts";

/** A contradiction in a published table. */
export interface ErratumRow {
  readonly id: string;
  readonly paper: string;
  /** The table and row, in words. */
  readonly where: string;
  /** What is wrong, in a sentence. */
  readonly finding: string;
  readonly printed: string;
  readonly recomputed: string;
  /** The computation, as TeX. */
  readonly arithmetic?: string;
}

/** Renders the page of contradictions. */
export function errataPage(errata: readonly ErratumRow[]): Page {
  const items = errata.map((erratum) =>
    `<article class="erratum" id="${escapeHtml(erratum.id)}"><h2>${escapeHtml(erratum.where)}</h2>
<p class="kicker">${escapeHtml(erratum.paper)}</p><p>${escapeHtml(erratum.finding)}</p>
<dl class="pair"><div><dt>printed</dt><dd>${escapeHtml(erratum.printed)}</dd></div>` +
    `<div><dt>recomputed</dt><dd>${escapeHtml(erratum.recomputed)}</dd></div></dl>${
      erratum.arithmetic === undefined
        ? ""
        : `<div class="formula" tabindex="0" role="region" aria-label="Arithmetic">${
          renderMath(erratum.arithmetic, true)
        }</div>`
    }</article>`
  );
  const body = `<header class="title"><h1>Errata</h1>
<p class="question">${errata.length} contradictions within published tables, found by recomputing what a row
states about itself. Nothing needs to be run to see them.</p></header>
<div class="errata">${items.join("\n")}</div>`;
  return {
    file: "errata.html",
    title: "Errata · quantbook",
    description: `${errata.length} contradictions in published quantization tables, with their arithmetic.`,
    body,
    kind: "data",
  };
}
