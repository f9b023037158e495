/** Errata: published cells that contradict themselves or another table, each with its arithmetic. */
import { escapeHtml } from "../html.ts";
import { type Grade, grades } from "../../../eval/claims.ts";
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
  /** How much it matters, and what it has in common with others. */
  readonly grade: Grade;
  readonly cause: string;
  readonly printed: string;
  readonly recomputed: string;
  /** The computation, as TeX. */
  readonly arithmetic?: string;
}

/** Grades in words. */
export const gradeNames: Readonly<Record<Grade, string>> = {
  conclusion: "turns the order of two methods round",
  arithmetic: "arithmetic that does not give the number",
  impossible: "a value that cannot be",
  twoValues: "one quantity, two values",
  rounding: "rounding or style",
};

/** How many contradictions have each grade, those first that matter most, and how many causes they have. */
export function countsByGrade(
  errata: readonly ErratumRow[],
): { grade: Grade; count: number; causes: number }[] {
  return grades.map((grade) => {
    const own = errata.filter((one) => one.grade === grade);
    return { grade, count: own.length, causes: new Set(own.map(({ cause }) => cause)).size };
  });
}

/** Renders the page of contradictions. */
export function errataPage(errata: readonly ErratumRow[]): Page {
  const items = errata.map((erratum) =>
    `<article class="erratum" id="${escapeHtml(erratum.id)}"><h2>${escapeHtml(erratum.where)}</h2>
<p class="kicker">${escapeHtml(erratum.paper)} · ${escapeHtml(gradeNames[erratum.grade])}</p><p>${
      escapeHtml(erratum.finding)
    }</p>
<dl class="pair"><div><dt>printed</dt><dd>${escapeHtml(erratum.printed)}</dd></div>` +
    `<div><dt>recomputed</dt><dd>${escapeHtml(erratum.recomputed)}</dd></div></dl>${
      erratum.arithmetic === undefined
        ? ""
        : `<div class="formula" tabindex="0" role="region" aria-label="Arithmetic">${
          renderMath(erratum.arithmetic, true)
        }</div>`
    }</article>`
  );
  const causes = new Set(errata.map(({ cause }) => cause)).size;
  const summary = countsByGrade(errata).map(({ grade, count, causes }) =>
    `<tr><th scope="row">${escapeHtml(gradeNames[grade])}</th><td>${count}</td><td>${causes}</td></tr>`
  ).join("");
  const body = `<header class="title"><h1>Errata</h1>
<p class="question">${errata.length} contradictions within published tables, of ${causes} causes, found by recomputing what a row
states about itself. Nothing needs to be run to see them.</p></header>
<p>What they amount to. A column that is rounded up or cut off throughout is a convention of its authors, counted once as a
cause.</p>
<div class="table-box" tabindex="0" role="region" aria-label="Contradictions by grade"><table><thead><tr><th scope="col">grade</th><th scope="col">found</th><th scope="col">causes</th></tr></thead><tbody>${summary}</tbody></table></div>
<div class="errata">${items.join("\n")}</div>`;
  return {
    file: "errata.html",
    title: "Errata · quantbook",
    description: `${errata.length} contradictions in published quantization tables, with their arithmetic.`,
    body,
    kind: "data",
  };
}
