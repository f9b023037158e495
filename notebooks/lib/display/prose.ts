/** Displays of words: computed paragraphs, and the facts that a run rests on. */
import { escapeHtml } from "../html.ts";
import { type Display, makeDisplay } from "./emit.ts";

/** A paragraph in Markdown, with `$...$` for mathematics, for prose that holds computed values. */
export function markdown(text: string): Display {
  return makeDisplay({ kind: "markdown" }, () => ({ "text/markdown": text, "text/plain": text }));
}

/**
 * What determined the numbers of this notebook: hashes of model and data, device, versions. The report sets it as the
 * notebook's footer. Leave out what changes from run to run, such as seconds: the executor records those itself. A list has a line for each of
 * its entries, and none when it is empty: `notices: model.notices`.
 */
export function provenance(facts: Readonly<Record<string, string | number | readonly string[]>>): Display {
  const entries = Object.entries(facts).flatMap(([name, value]) =>
    [value].flat().map((one, i) => [i === 0 ? name : `${name} ${i + 1}`, String(one)] as const)
  );
  const width = Math.max(0, ...entries.map(([name]) => name.length));
  const row = ([name, value]: readonly [string, string]) =>
    `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`;
  return makeDisplay({ kind: "provenance", facts: Object.fromEntries(entries) }, () => ({
    "text/html": `<table><tbody>${entries.map(row).join("")}</tbody></table>`,
    "text/plain": entries.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n"),
  }));
}
