/** Outputs of cells to HTML: each in the richest format that is safe, whoever wrote the notebook. */
import { isStatus, type Status, STATUS_MARKS } from "../display/status.ts";
import { VEGA_LITE } from "../display/plot.ts";
import { DisplayError } from "../display/table.ts";
import { escapeHtml, sentenceHtml, withCode } from "../html.ts";
import { isObject, type JsonObject, objectAt, stringAt } from "../json.ts";
import type { MimeBundle, Output } from "../notebook/notebook.ts";
import type { Verdict } from "../display/verdict.ts";
import type { PageMarkdown } from "./markdown.ts";
import { plotFigure } from "./plot.ts";
import { isPicture, sanitizeHtml } from "./sanitize.ts";

/** Renders one output; `id` is unique within the page. */
export async function renderOutput(output: Output, id: string, markdown: PageMarkdown): Promise<string> {
  switch (output.output_type) {
    case "stream":
      return `<pre class="stream stream-${output.name}">${plainText(output.text)}</pre>`;
    case "error":
      return `<pre class="stream stream-error">${plainText(errorText(output))}</pre>`;
    default:
      return await renderBundle(output.data, objectAt(output.metadata, "quantbook"), id, markdown);
  }
}

async function renderBundle(
  data: MimeBundle,
  about: JsonObject,
  id: string,
  markdown: PageMarkdown,
): Promise<string> {
  const verdict = readVerdict(about);
  if (verdict) return verdictBox(verdict);
  if (about.kind === "provenance") return "";
  if (about.kind === "witness") {
    return `<p class="witness"><a href="every-number.html">${escapeHtml(text(data["text/plain"]))}</a></p>`;
  }
  const spec = data[VEGA_LITE];
  if (isObject(spec)) {
    const alt = stringAt(about, "alt", text(data["text/plain"]) || "A plot without description");
    try {
      return await plotFigure(spec, alt, stringAt(about, "caption"), id);
    } catch (error) {
      // A specification that cannot be drawn, or that reaches outside the page: its picture or text remains.
      if (!(error instanceof DisplayError)) throw error;
    }
  }
  const html = data["text/html"];
  if (typeof html === "string") {
    const label = escapeHtml(stringAt(about, "caption", "Table"));
    const table = sanitizeHtml(html).replace(
      /<caption>(.*?)<\/caption>/s,
      (_, inner: string) => `<caption><span>${withCode(inner)}</span></caption>`,
    );
    return `<div class="table-box" tabindex="0" role="region" aria-label="${label}">${table}</div>`;
  }
  if (typeof data["text/markdown"] === "string") {
    return `<div class="prose">${markdown.render(data["text/markdown"])}</div>`;
  }
  const png = data["image/png"];
  if (isPicture(png, "png")) {
    const alt = escapeHtml(stringAt(about, "alt", text(data["text/plain"])));
    return `<figure class="plot"><img alt="${alt}" src="data:image/png;base64,${png.trim()}"></figure>`;
  }
  const plain = text(data["text/plain"]);
  return plain === "" ? "" : `<pre class="stream">${plainText(plain)}</pre>`;
}

/** The verdict that an output's metadata describes. */
export function readVerdict(about: JsonObject): Verdict | null {
  if (about.kind !== "verdict" || !isStatus(about.status)) return null;
  const claims = Array.isArray(about.claims) ? about.claims.filter((id) => typeof id === "string") : [];
  return { status: about.status, title: stringAt(about, "title"), detail: stringAt(about, "detail"), claims };
}

/** A verdict as a box: mark and word, the claim, the evidence. */
export function verdictBox({ status, title, detail }: Verdict): string {
  return `<aside class="verdict verdict-${status}" aria-label="Verdict: ${status}"><p class="verdict-head">` +
    `${statusChip(status)} <strong>${escapeHtml(title)}</strong></p><p>${sentenceHtml(detail)}</p></aside>`;
}

/** A status as a small label, with a count in front where several are meant. */
export function statusChip(status: Status, count?: number): string {
  const number = count === undefined ? "" : `${count} `;
  return `<span class="status status-${status}"><span class="mark" aria-hidden="true">${
    escapeHtml(STATUS_MARKS[status])
  }</span>${number}${status}</span>`;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function errorText({ ename, evalue, traceback }: Extract<Output, { output_type: "error" }>): string {
  return traceback.length > 0 ? traceback.join("\n") : `${ename}: ${evalue}`;
}

function plainText(value: string): string {
  // deno-lint-ignore no-control-regex
  return escapeHtml(value.replaceAll(/\u001b\[[0-9;]*[A-Za-z]/g, "").trimEnd());
}
