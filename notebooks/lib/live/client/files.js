/** What a page loads: from beside it, or, where the page is a single file, from within. */

const here = (name) => new URL(name, import.meta.url);
const inside = (name) => document.querySelector(`script[data-file="${CSS.escape(name)}"]`)?.textContent;

/** Bytes from base64; not every engine has `Uint8Array.fromBase64`. */
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** The list of a page's cells. */
export async function cellsOf(notebook) {
  const name = `${notebook}.json`, text = inside(name);
  if (text !== undefined) return JSON.parse(new TextDecoder().decode(bytesOf(text)));
  const response = await fetch(here(name));
  if (!response.ok) throw new Error(`the server says ${response.status} to its list of cells`);
  return await response.json();
}

/** A worker of this script, which in a single file comes from a blob. */
export function startWorker(name) {
  const text = inside(name);
  const address = text === undefined
    ? here(name)
    : URL.createObjectURL(new Blob([bytesOf(text)], { type: "text/javascript" }));
  return new Worker(address);
}

/** The files that a worker would load, where they are within the page; otherwise nothing, and it loads them itself. */
export function givenFiles({ files, test, train }) {
  const names = [...files.map(([name]) => name), test, train];
  if (inside(names[0]) === undefined) return undefined;
  return Object.fromEntries(names.map((name) => [name, bytesOf(inside(name))]));
}
