/** "Measure it here" as it stands in a page before anybody presses the button: a table of stored runs, which needs no script. */
import { attributes, escapeHtml } from "../html.ts";
import { cellName, choicesOf, scored } from "./cells.ts";
import { type Choice, type LiveTable } from "./tables.ts";
import type { StoredRun } from "./record.ts";

/** The section of a notebook's page; `bytes` are what the first press of the button loads, null where all is in the page. */
export function liveSection(
  table: LiveTable,
  runs: Readonly<Record<string, StoredRun>>,
  bytes: number | null,
): string {
  const sized = choicesOf(table).some((choice) => runs[cellName(table, choice)].bitsPerWeight !== 16);
  const head = [
    ...table.controls.map(({ label }) => label),
    ...sized ? ["Bits/weight"] : [],
    "Stored",
    "Here",
    "Bit for bit",
    "Certificate",
  ];
  const rows = choicesOf(table).map((choice) => row(table, choice, runs, sized));
  const controls = table.controls.map(({ name, label, values }) => {
    const options = values.map((value) => `<option>${escapeHtml(String(value))}</option>`).join("");
    return `<label>${escapeHtml(label)} <select${
      attributes({ name, autocomplete: "off" })
    }>${options}</select></label>`;
  });
  const button = (kind: string, text: string) =>
    `<button type="button" class="live-${kind}" hidden>${text}</button>`;
  return `<section class="live" id="measure-it-here"${attributes({ "data-live": table.notebook })}>
<h2>Measure it here</h2>
<p>${scored.windows} windows of ${scored.length} tokens of <code>${table.model}</code>, computed by your browser with the suite's own code
(${
    bytes === null
      ? "it is in this file, and is sent nowhere"
      : `${(bytes / 1e6).toFixed(1)} MB, loaded once, sent nowhere`
  }) and compared with the stored run: perplexity, and one hash over model, codes and logits.
The equation and its lines: <a${attributes({ href: `methods.html#${table.method}` })}>methods</a>.</p>
<div class="live-controls">${controls.join("")}${button("run", "Measure it here")}${
    button("gpu", "On the GPU")
  }${button("stop", "Stop")}${button("copy", "Copy receipt")}</div>
<p class="live-progress"><progress max="1" value="0" aria-label="Progress of the measurement" hidden></progress> <span class="live-left"></span></p>
<p class="live-status" role="status" aria-live="polite"></p>
<pre class="live-receipt" tabindex="0" hidden></pre>
<div class="table-box" tabindex="0" role="region" aria-label="Cells that can be measured here"><table><thead><tr>${
    head.map((text) => `<th scope="col">${escapeHtml(text)}</th>`).join("")
  }</tr></thead><tbody>${rows.join("")}</tbody></table></div>
</section>`;
}

/** A stored run, with room for what is measured; caches leave the bits of weights as they are. */
function row(
  table: LiveTable,
  choice: Choice,
  runs: Readonly<Record<string, StoredRun>>,
  sized: boolean,
): string {
  const name = cellName(table, choice), { perplexity, bitsPerWeight, certificate } = runs[name];
  const cells = [...choice.map(String), ...sized ? [bitsPerWeight.toFixed(2)] : [], perplexity.toFixed(6)];
  return `<tr${attributes({ "data-cell": name })}>${
    cells.map((text) => `<td>${escapeHtml(text)}</td>`).join("")
  }<td data-here></td><td data-proof></td><td><code>${certificate.slice(0, 12)}</code></td></tr>`;
}
