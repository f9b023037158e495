/** HTML escaping: the only way by which text enters markup in this folder. */

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as HTML, safe in content and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character]);
}

/** Text of a sentence, escaped; what stands between backticks is code. */
export function sentenceHtml(text: string): string {
  return withCode(escapeHtml(text));
}

/** Escaped text in which what stands between backticks is code. */
export function withCode(html: string): string {
  return html.replaceAll(/`([^`<>]+)`/g, "<code>$1</code>");
}

/** Attributes in order, each value escaped; an undefined value leaves its attribute out. */
export function attributes(values: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(values)
    .map(([name, value]) => value === undefined ? "" : ` ${name}="${escapeHtml(String(value))}"`)
    .join("");
}
