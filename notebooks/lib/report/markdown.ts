/** Prose of notebooks to HTML: Markdown without raw HTML, mathematics as MathML, highlighted code, pasted pictures. */
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import json from "highlight.js/lib/languages/json";
import typescript from "highlight.js/lib/languages/typescript";
import MarkdownIt from "markdown-it";
import { escapeHtml } from "../html.ts";
import { isObject, own } from "../json.ts";
import { renderMath } from "./math.ts";
import { isPicture, isSafeLink } from "./sanitize.ts";

hljs.registerLanguage("typescript", typescript);
hljs.registerLanguage("bash", bash);
hljs.registerLanguage("json", json);
hljs.registerAliases(["ts", "js"], { languageName: "typescript" });
hljs.registerAliases(["sh"], { languageName: "bash" });

/** Longer code blocks are not highlighted: no author writes them, and they may be slow. */
const LONGEST_HIGHLIGHT = 50_000;

/** A heading of a page, for its table of contents. */
export interface Heading {
  readonly id: string;
  readonly level: number;
  readonly text: string;
}

/** Code as HTML with `hljs-*` classes. */
export function highlight(code: string, language: string): string {
  if (code.length > LONGEST_HIGHLIGHT || !hljs.getLanguage(language)) return escapeHtml(code);
  return hljs.highlight(code, { language, ignoreIllegals: true }).value;
}

/** Renders the Markdown of one page; headings get ids, unique within the page, and are collected. */
export class PageMarkdown {
  readonly headings: Heading[] = [];
  readonly #markdown = new MarkdownIt({ html: false, linkify: false, typographer: true });
  readonly #ids = new Set<string>();

  constructor() {
    const markdown = this.#markdown;
    markdown.validateLink = (link) => isSafeLink(link) || link.startsWith(pasted);
    // Such an address means something for pictures only.
    markdown.renderer.rules.link_open = (tokens, i, options, _env, self) => {
      const href = String(tokens[i].attrGet("href") ?? "");
      tokens[i].attrs = isSafeLink(href) ? tokens[i].attrs : [];
      return self.renderToken(tokens, i, options);
    };
    markdown.inline.ruler.before("escape", "math", mathRule);
    markdown.renderer.rules.math = (tokens, i) => {
      const display = tokens[i].info === "$$";
      const math = renderMath(tokens[i].content, display);
      return display
        ? `<span class="formula" tabindex="0" role="region" aria-label="Equation">${math}</span>`
        : math;
    };
    markdown.renderer.rules.fence = (tokens, i) =>
      `<pre tabindex="0" role="region" aria-label="Code"><code>${
        highlight(tokens[i].content, tokens[i].info.trim())
      }</code></pre>`;
    // Any other picture would be a request, or data that nobody has looked at: its text is what remains.
    markdown.renderer.rules.image = (tokens, i, _options, env) => {
      const alt = escapeHtml(tokens[i].content);
      const source = pictureOf(String(tokens[i].attrGet("src") ?? ""), own(env, "attachments"));
      return source === null ? alt : `<img alt="${alt}" src="${source}">`;
    };
    markdown.renderer.rules.table_open = () =>
      '<div class="table-box" tabindex="0" role="region" aria-label="Table"><table>';
    markdown.renderer.rules.table_close = () => "</table></div>";
    markdown.renderer.rules.heading_open = (tokens, i) => {
      const text = tokens[i + 1].children?.map((child) => child.content).join("") ?? "";
      // The page's own title is its only heading of the first level.
      const level = Math.max(2, Number(tokens[i].tag.slice(1)));
      tokens[i + 2].tag = `h${level}`;
      const id = this.#uniqueId(text);
      this.headings.push({ id, level, text });
      return `<h${level} id="${id}">`;
    };
  }

  /** Renders a cell of prose; `attachments` are the pictures that were pasted into it. */
  render(source: string, attachments?: unknown): string {
    return this.#markdown.render(withPlainPictures(source, attachments), { attachments });
  }

  #uniqueId(text: string): string {
    const slug = text.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "-").replaceAll(/^-|-$/g, "") || "section";
    let id = slug;
    for (let n = 2; this.#ids.has(id); n++) id = `${slug}-${n}`;
    this.#ids.add(id);
    return id;
  }
}

/** How Markdown names a file that is kept in its cell. */
const pasted = "attachment:";

/**
 * Pictures that Jupyter shows and Markdown does not know: names with blanks, and `<img src="attachment:...">`, which people
 * write for its width.
 */
function withPlainPictures(source: string, attachments: unknown): string {
  if (!isObject(attachments)) return source;
  const tag = /<img\b[^<>]*?\bsrc\s*=\s*["']attachment:([^"'<>]*)["'][^<>]*>/gi;
  const plain = source.replaceAll(tag, (whole, name: string) => {
    const alt = whole.match(/\balt\s*=\s*(?:"([^"]*)"|'([^']*)')/i);
    return `![${(alt?.[1] ?? alt?.[2] ?? "").replaceAll(/[[\]\\]/g, "")}](${pasted}${name})`;
  });
  return Object.keys(attachments).reduce(
    (text, name) => text.replaceAll(`(${pasted}${name})`, () => `(${pasted}${encodeURIComponent(name)})`),
    plain,
  );
}

/** A pasted picture as an address that holds it; null for anything else. */
function pictureOf(address: string, attachments: unknown): string | null {
  if (!address.startsWith(pasted)) return null;
  let name = address.slice(pasted.length);
  try {
    name = decodeURIComponent(name);
  } catch {
    // A name with a lone percent sign is itself.
  }
  const file = own(attachments, name);
  const [png, jpeg] = ["image/png", "image/jpeg"].map((type) => own(file, type));
  if (isPicture(png, "png")) return `data:image/png;base64,${png.replaceAll(/\s/g, "")}`;
  if (isPicture(jpeg, "jpeg")) return `data:image/jpeg;base64,${jpeg.replaceAll(/\s/g, "")}`;
  return null;
}

type InlineRule = Parameters<InstanceType<typeof MarkdownIt>["inline"]["ruler"]["before"]>[2];

/** `$...$` within a line and `$$...$$` displayed; a dollar beside white space or a digit after it is money. */
const mathRule: InlineRule = (state, silent) => {
  if (state.src[state.pos] !== "$") return false;
  const fence = state.src[state.pos + 1] === "$" ? "$$" : "$";
  const from = state.pos + fence.length;
  const end = state.src.indexOf(fence, from);
  if (end <= from) return false;
  const content = state.src.slice(from, end);
  if (fence === "$" && (/^\s|\s$/.test(content) || /\d/.test(state.src[end + 1] ?? ""))) return false;
  if (!silent) {
    const token = state.push("math", "math", 0);
    token.content = content;
    token.info = fence;
  }
  state.pos = end + fence.length;
  return true;
};
