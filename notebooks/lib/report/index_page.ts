/** The index: what this is, its figures, a card for each notebook, the methods at a glance. */
import { escapeHtml } from "../html.ts";
import type { ClaimRow } from "./claims_page.ts";
import type { ErratumRow } from "./errata_page.ts";
import { methodsTable } from "./methods_page.ts";
import type { MethodEntry } from "../../methods.ts";
import { type Executed, mainPlot, verdictsOf } from "./notebook_page.ts";
import { statusChip } from "./outputs.ts";
import type { Page } from "./page.ts";
import { plotThumbnail } from "./plot.ts";
import { countStatuses } from "./tally.ts";

/** What the index says about the run as a whole. */
export interface Run {
  /** Date of the build, `YYYY-MM-DD`. */
  readonly date: string;
  /** The device that computed, such as `"CPU, WASM SIMD, 2 threads"`. */
  readonly device: string;
}

/** Renders the index. */
export async function indexPage(
  notebooks: readonly Executed[],
  claims: readonly ClaimRow[],
  errata: readonly ErratumRow[],
  methods: readonly MethodEntry[],
  run: Run,
  sourceUrl: (path: string) => string | null,
): Promise<Page> {
  const witnessed = claims.filter((row) => row.status !== "unrun").length;
  const seconds = notebooks.reduce((sum, notebook) => sum + notebook.seconds, 0);
  const grave = errata.filter(({ grade }) => grade !== "rounding").length;
  const figures: [string, string, string?][] = [
    [
      `${witnessed}<small> of ${claims.length}</small>`,
      "published cells with a witness",
      "every-number.html",
    ],
    [`${grave}<small> of ${errata.length}</small>`, "contradictions that are no roundings", "errata.html"],
    [String(notebooks.length), notebooks.length === 1 ? "notebook" : "notebooks"],
    [duration(seconds), "of computation in this run"],
    [escapeHtml(run.device), `last run ${escapeHtml(run.date)}`],
  ];
  const strip = figures.map(([value, label, href]) => {
    const text = href ? `<a href="${href}">${label}</a>` : label;
    return `<div><dt>${text}</dt><dd>${value}</dd></div>`;
  });
  const cards = await Promise.all(notebooks.map(card));
  const names = new Set(notebooks.map((notebook) => notebook.name));
  const glance = methods.length === 0
    ? ""
    : `<section><h2>The methods at a glance</h2>${methodsTable(methods, names, sourceUrl)}</section>`;
  const body = `<header class="title"><h1>Do the published tables of quantization hold?</h1>
<p class="question">quantbook reproduces them in notebooks small enough to read next to the paper: each number with what this
machine just measured, and whether the two agree.</p></header>
<dl class="figures">${strip.join("")}</dl>
<section aria-label="Notebooks"><ul class="cards">${cards.join("\n")}</ul></section>
${glance}`;
  return {
    file: "index.html",
    title: "quantbook: the tables of quantization papers, reproduced",
    description:
      "Reproducible notebooks of post-training quantization: every published number with its witness.",
    body,
    kind: "index",
  };
}

async function card({ name, about, notebook, error }: Executed): Promise<string> {
  const plot = mainPlot(notebook);
  const picture = plot ? await plotThumbnail(plot) : "";
  const chips = countStatuses(verdictsOf(notebook)).map(([status, count]) => statusChip(status, count));
  const paper = about.paper
    ? `<p class="kicker">${escapeHtml(about.paper.authors)}, ${about.paper.year}</p>`
    : "";
  return `<li class="card"><div class="thumbnail" aria-hidden="true">${picture}</div>${paper}
<h2><a href="${escapeHtml(name)}.html">${escapeHtml(about.title)}</a></h2>
<p>${escapeHtml(about.question)}</p>${
    error ? '<p class="stopped">This run stopped with an error.</p>' : ""
  }<p class="chips">${chips.join(" ")}</p></li>`;
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
