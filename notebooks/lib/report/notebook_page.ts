/** The page of a notebook: title and paper, verdicts, prose and cells with their outputs, provenance. */
import type { About } from "../notebook/about.ts";
import type { Verdict } from "../display/verdict.ts";
import { escapeHtml } from "../html.ts";
import { isObject, type JsonObject, objectAt } from "../json.ts";
import type { CodeCell, Notebook, Output } from "../notebook/notebook.ts";
import { VEGA_LITE } from "../display/plot.ts";
import { highlight, PageMarkdown } from "./markdown.ts";
import { readVerdict, renderOutput, statusChip } from "./outputs.ts";
import type { Page } from "./page.ts";
import { countStatuses } from "./tally.ts";

/** An executed notebook, as the report needs it. */
export interface Executed {
  /** The file's name without `.ipynb`. */
  readonly name: string;
  readonly about: About;
  readonly notebook: Notebook;
  /** Wall time of the cells. */
  readonly seconds: number;
  /** The error that stopped it, if one did. */
  readonly error?: string | null;
}

/** Code cells longer than this are folded. */
const FOLD_LINES = 12;

/** Renders the page of a notebook, `live` before its cells. `sourceUrl` turns a path of the repository into a link, when there is one. */
export async function notebookPage(
  executed: Executed,
  sourceUrl: (path: string) => string | null,
  live = "",
): Promise<Page> {
  const { name, about, notebook } = executed;
  const markdown = new PageMarkdown();
  const sections: string[] = [];
  let cell = 0;
  for (const [index, item] of notebook.cells.entries()) {
    if (item.cell_type === "markdown") {
      const prose = sections.length === 0 ? item.source.replace(/^\s*#\s+.*\n?/, "") : item.source;
      if (prose.trim() !== "") {
        sections.push(`<section class="prose">${markdown.render(prose, item.attachments)}</section>`);
      }
    } else if (item.cell_type === "raw" && item.source.trim() !== "") {
      sections.push(`<section class="prose"><pre class="stream">${escapeHtml(item.source)}</pre></section>`);
    } else if (item.cell_type === "code" && item.source.trim() !== "") {
      sections.push(await codeSection(item, ++cell, index, markdown));
    }
  }
  const body = [
    `<article>`,
    titleBlock(executed, sourceUrl),
    contents(markdown),
    `<div class="cells">${live}${sections.join("\n")}`,
    runItYourself(name),
    provenanceFooter(executed),
    `</div></article>`,
  ];
  const description = about.question || `${about.title}, a reproducible notebook.`;
  return {
    file: `${name}.html`,
    title: `${about.title} · quantbook`,
    description,
    body: body.join("\n"),
    kind: "notebook",
    ...live !== "" && { live: true },
  };
}

/** The verdicts that a notebook's cells displayed, in order. */
export function verdictsOf(notebook: Notebook): Verdict[] {
  return displayed(notebook).map((output) => readVerdict(objectAt(output.metadata, "quantbook"))).filter(
    isVerdict,
  );
}

/** The first plot of a notebook: its picture on the index. */
export function mainPlot(notebook: Notebook): JsonObject | null {
  return displayed(notebook).map((output) => output.data[VEGA_LITE]).find(isObject) ?? null;
}

type Displayed = Extract<Output, { output_type: "display_data" | "execute_result" }>;

function displayed(notebook: Notebook): Displayed[] {
  return notebook.cells
    .flatMap((cell) => (cell.cell_type === "code" ? cell.outputs : []))
    .filter((output) => output.output_type === "display_data" || output.output_type === "execute_result");
}

function isVerdict(verdict: Verdict | null): verdict is Verdict {
  return verdict !== null;
}

function titleBlock(
  { about, notebook, error }: Executed,
  sourceUrl: (path: string) => string | null,
): string {
  const { paper, method } = about;
  const facts: [string, string][] = [];
  if (paper) {
    const link = `<a href="${escapeHtml(paper.link)}" rel="noreferrer">${escapeHtml(paper.title)}</a>`;
    facts.push(["Paper", `${link}<br>${paper.year}`], ["Authors", escapeHtml(paper.authors)]);
  }
  if (method) {
    const url = sourceUrl(method);
    const code = `<code>${escapeHtml(method)}</code>`;
    facts.push(["Implementation", url ? `<a href="${escapeHtml(url)}">${code}</a>` : code]);
  }
  const verdicts = verdictsOf(notebook);
  if (verdicts.length > 0) {
    const chips = countStatuses(verdicts).map(([status, count]) => statusChip(status, count));
    facts.push(["Verdicts", `<span class="chips">${chips.join(" ")}</span>`]);
  }
  const byline = facts.map(([term, detail]) => `<div><dt>${term}</dt><dd>${detail}</dd></div>`).join("");
  const question = about.question ? `<p class="question">${escapeHtml(about.question)}</p>` : "";
  const stopped = error ? `<p class="stopped">This run stopped with an error: ${escapeHtml(error)}</p>` : "";
  return `<header class="title"><h1>${escapeHtml(about.title)}</h1>${question}` +
    `${byline ? `<dl class="byline">${byline}</dl>` : ""}${stopped}</header>`;
}

function contents(markdown: PageMarkdown): string {
  const headings = markdown.headings.filter((heading) => heading.level <= 3);
  if (headings.length < 2) return "";
  const items = headings.map(({ id, level, text }) =>
    `<li class="level-${level}"><a href="#${id}">${escapeHtml(text.replaceAll("$", ""))}</a></li>`
  );
  return `<nav class="contents" aria-label="Contents"><ol>${items.join("")}</ol></nav>`;
}

async function codeSection(
  cell: CodeCell,
  number: number,
  index: number,
  markdown: PageMarkdown,
): Promise<string> {
  const outputs: string[] = [];
  for (const [i, output] of cell.outputs.entries()) {
    outputs.push(await renderOutput(output, `output-${index}-${i}`, markdown));
  }
  const lines = cell.source.trimEnd().split("\n");
  const open = lines.length <= FOLD_LINES ? " open" : "";
  const hint = lines.find((line) => line.trim() !== "" && !line.startsWith("import ")) ?? lines[0];
  const size = lines.length === 1 ? "1 line" : `${lines.length} lines`;
  return `<section class="cell" id="cell-${number}">
<details class="code"${open}><summary><span class="cell-number">[${number}]</span> <span class="cell-size">${size}</span>` +
    `<code class="cell-hint">${escapeHtml(hint.trim())}</code></summary>
<pre tabindex="0" role="region" aria-label="Code of cell ${number}"><code>${
      highlight(cell.source.trimEnd(), "typescript")
    }</code></pre></details>
${outputs.join("\n")}
</section>`;
}

function runItYourself(name: string): string {
  const command = `deno task notebooks ${name}`;
  return `<section class="run-it"><h2>Run it yourself</h2><p>In a clone of the repository; or open ` +
    `<code>notebooks/${escapeHtml(name)}.ipynb</code> in VS Code or Jupyter with the Deno kernel.</p>` +
    `<pre tabindex="0" role="region" aria-label="Command"><code>${
      escapeHtml(command)
    }</code></pre></section>`;
}

function provenanceFooter({ notebook, seconds }: Executed): string {
  const facts = displayed(notebook)
    .map((output) => objectAt(output.metadata, "quantbook"))
    .filter((about) => about.kind === "provenance")
    .flatMap((about) => Object.entries(objectAt(about, "facts")));
  const version = objectAt(notebook.metadata, "language_info").version;
  // Committed outputs do not say how long their run took.
  const time = seconds > 0 ? `${seconds.toFixed(1)} s` : undefined;
  const all: [string, unknown][] = [...facts, ["typescript", version], ["wall time", time]];
  const rows = all.filter(([, value]) => value !== undefined).map(([term, value]) =>
    `<div><dt>${escapeHtml(term)}</dt><dd>${escapeHtml(String(value))}</dd></div>`
  );
  return `<section class="provenance" aria-label="Provenance"><h2>Provenance</h2><dl>${
    rows.join("")
  }</dl></section>`;
}
