/** "Methods": what each method quantizes and costs, and its equation next to the lines that implement it. */
import { join } from "node:path";
import { QuantbookError } from "../../../base/error.ts";
import { attributes, escapeHtml } from "../html.ts";
import { highlight } from "./markdown.ts";
import { renderMath } from "./math.ts";
import type { Page } from "./page.ts";
import type { MethodEntry } from "../../methods.ts";

/** A method's page entry names something that its source does not contain. */
export class MethodError extends QuantbookError {}

/** A piece of source: its file, its first line's number and its text. */
export interface Excerpt {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** The lines of a method's source that implement its equation; the report fails when they have moved away. */
export async function readExcerpt(method: MethodEntry, root: string): Promise<Excerpt | null> {
  if (!method.equation) return null;
  const { anchor, lines: count, source: file = method.source } = method.equation;
  const lines = (await Deno.readTextFile(join(root, file))).split("\n");
  const at = lines.findIndex((line) => line.includes(anchor));
  if (at < 0) throw new MethodError("anchor", `${file} does not contain ${JSON.stringify(anchor)}`);
  const shown = lines.slice(at, at + count);
  const indent = Math.min(
    ...shown.filter((line) => line.trim() !== "").map((line) => line.length - line.trimStart().length),
  );
  return { file, line: at + 1, text: shown.map((line) => line.slice(indent)).join("\n").trimEnd() };
}

/** The methods at a glance, a table for the index and the methods page. */
export function methodsTable(
  methods: readonly MethodEntry[],
  notebooks: ReadonlySet<string>,
  sourceUrl: (path: string) => string | null,
): string {
  const yes = (value: boolean) => (value ? "yes" : "no");
  const rows = methods.map((method) => {
    const notebook = method.notebook !== undefined && notebooks.has(method.notebook)
      ? link(`${method.notebook}.html`, "notebook")
      : "–";
    const url = sourceUrl(method.source);
    const source = `<code>${escapeHtml(method.source)}</code>`;
    const cells = [
      escapeHtml(method.bits),
      escapeHtml(method.quantizes),
      yes(method.calibration),
      yes(method.gradient),
      escapeHtml(method.cost),
      link(method.paper.link, method.paper.title),
      notebook,
      url ? `<a${attributes({ href: url })}>${source}</a>` : source,
    ];
    return `<tr><th scope="row">${link(`methods.html#${method.id}`, method.name)}</th>${
      cells.map((cell) => `<td>${cell}</td>`).join("")
    }</tr>`;
  });
  const head = [
    "Method",
    "Bits",
    "Quantizes",
    "Calibration",
    "Gradient",
    "Cost",
    "Paper",
    "Notebook",
    "Source",
  ];
  return `<div class="table-box" tabindex="0" role="region" aria-label="The methods at a glance"><table class="methods"><thead><tr>${
    head.map((label) => `<th scope="col">${label}</th>`).join("")
  }</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

/** Renders the methods page. */
export async function methodsPage(
  methods: readonly MethodEntry[],
  notebooks: ReadonlySet<string>,
  root: string,
  sourceUrl: (path: string, line?: number) => string | null,
): Promise<Page> {
  const sections = await Promise.all(methods.map(async (method) => {
    const excerpt = await readExcerpt(method, root);
    if (!method.equation || !excerpt) return "";
    const url = sourceUrl(excerpt.file, excerpt.line);
    const place = `<code>${escapeHtml(`${excerpt.file}:${excerpt.line}`)}</code>`;
    return `<section class="method" id="${escapeHtml(method.id)}"><h2>${escapeHtml(method.name)}</h2>
<div class="facing"><div class="equation"><p class="kicker">${link(method.paper.link, method.paper.title)}, ${
      escapeHtml(method.equation.label)
    }</p><div class="formula" tabindex="0" role="region" aria-label="Equation of ${
      escapeHtml(method.name)
    }">${renderMath(method.equation.tex, true)}</div></div>
<div><p class="kicker">${
      url ? `<a${attributes({ href: url })}>${place}</a>` : place
    }</p><pre tabindex="0" role="region" ` +
      `aria-label="Code of ${escapeHtml(method.name)}"><code>${
        highlight(excerpt.text, "typescript")
      }</code></pre></div></div></section>`;
  }));
  const body = `<header class="title"><h1>Methods</h1>
<p class="question">For each method, the equation of its paper next to the lines that implement it.</p></header>
${methodsTable(methods, notebooks, sourceUrl)}
${sections.join("\n")}`;
  return {
    file: "methods.html",
    title: "Methods · quantbook",
    description:
      "Post-training quantization methods: what they quantize, what they cost, and their equations as code.",
    body,
    kind: "data",
  };
}

function link(href: string, text: string): string {
  return `<a${attributes({ href })}>${escapeHtml(text)}</a>`;
}
