/** The frame of every page: head, policy, navigation, footer. Pages are complete files that load nothing, unless a button is pressed. */
import { createHash } from "node:crypto";
import { attributes, escapeHtml } from "../html.ts";
import script from "./script.js" with { type: "text" };
import { STYLE } from "./style.ts";

/** The parts of a page. */
export interface Page {
  /** The file that it is written to, such as `gptq.html`. */
  readonly file: string;
  readonly title: string;
  /** One sentence for search engines and link previews. */
  readonly description: string;
  readonly body: string;
  /** The class of the body: `index`, `notebook` or `data`. */
  readonly kind: "index" | "notebook" | "data";
  /** Whether it has a button that loads a worker and its files from beside the page. */
  readonly live?: boolean;
  /** A script beside that of all pages. */
  readonly starter?: string;
  /** What the button would load, where the page is a single file: a script, and files by name. There are no other pages then. */
  readonly inside?: { readonly script: string; readonly files: ReadonlyMap<string, Uint8Array> };
}

/** The pages that the navigation names. */
const NAVIGATION = [
  ["index.html", "Notebooks"],
  ["every-number.html", "Every number"],
  ["errata.html", "Errata"],
  ["methods.html", "Methods"],
  ["your-model.html", "Your model"],
] as const;

const source = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
// Hashes instead of 'unsafe-inline': only this very script and style sheet run, even if something slipped into a page.
const policyOf = (scripts: string, loads: string) =>
  `default-src 'none'; script-src ${source(script)}${scripts}; style-src ${source(STYLE)}; img-src data:; ` +
  `${loads}base-uri 'none'; form-action 'none'`;
const POLICY = policyOf("", "");
const livePolicy = (starter?: string) =>
  policyOf(
    `${starter === undefined ? "" : ` ${source(starter)}`} 'self'`,
    "worker-src 'self'; connect-src 'self'; ",
  );
// A worker from a blob is under its page's policy, and compiles the kernels.
const singlePolicy = (inner: string) =>
  policyOf(` ${source(inner)} 'wasm-unsafe-eval'`, "worker-src blob:; ");

/** A mark in the tab, drawn from the logo: four levels of a quantizer. */
const ICON = "data:image/svg+xml," + encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M1 14h4v-4h3V6h4V2h3" fill="none" ` +
    `stroke="#0072b2" stroke-width="2.4"/></svg>`,
);

/** The HTML file of a page. `footer` states the build, the same on every page. */
export function renderPage(page: Page, footer: string): string {
  const { file, title, description, body, kind, live, starter, inside } = page;
  const links = NAVIGATION.map(([href, label]) =>
    `<a${attributes({ href, "aria-current": href === file ? "page" : undefined })}>${label}</a>`
  );
  const policy = inside ? singlePolicy(inside.script) : live ? livePolicy(starter) : POLICY;
  const head = [
    `<meta charset="utf-8">`,
    `<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">`,
    `<meta name="viewport" content="width=device-width, initial-scale=1">`,
    `<meta name="description" content="${escapeHtml(description)}">`,
    `<meta name="color-scheme" content="light dark">`,
    `<title>${escapeHtml(title)}</title>`,
    `<link rel="icon" href="${escapeHtml(ICON)}">`,
    `<style>${STYLE}</style>`,
    `<script>${script}</script>`,
    ...starter === undefined ? [] : [`<script>${starter}</script>`],
  ];
  const html = `<!doctype html>
<html lang="en">
<head>
${head.join("\n")}
</head>
<body class="${kind}">
<a class="skip" href="#main">Skip to the content</a>
<header class="site"><a class="brand" href="index.html">${LOGO}quantbook</a>
<nav aria-label="Pages">${links.join("")}</nav></header>
<main id="main">
${body}
</main>
<footer class="site">${footer}</footer>
${inside ? within(inside) : ""}</body>
</html>
`;
  return inside ? html.replaceAll(elsewhere, "$1") : html;
}

/** Links to pages beside this one: their words stay. */
const elsewhere = /<a\b(?=[^>]*\bhref="(?!#|https?:))[^>]*>([^]*?)<\/a>/g;

/** A script, and files as base64 in blocks that no browser runs. */
function within({ script, files }: NonNullable<Page["inside"]>): string {
  const blocks = Array.from(
    files,
    ([name, bytes]) =>
      `<script type="text/plain"${attributes({ "data-file": name })}>${bytes.toBase64()}</script>\n`,
  );
  return `${blocks.join("")}<script type="module">${script}</script>\n`;
}

const LOGO =
  `<svg class="logo" viewBox="0 0 16 16" width="18" height="18" aria-hidden="true" focusable="false">` +
  `<path d="M1 14h4v-4h3V6h4V2h3" fill="none" stroke="currentColor" stroke-width="2"/></svg>`;
