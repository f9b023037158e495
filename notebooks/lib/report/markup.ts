/**
 * Rebuilds markup from an allow-list: whatever a rule does not name does not come out.
 *
 * The input is cut into tags and text in one pass. Text is always escaped anew, attribute values are always decoded,
 * judged and escaped anew, tags come out balanced. Nothing of the input is ever copied through as markup.
 */
import { attributes, escapeHtml } from "../html.ts";

/** The attributes that an element keeps, or null to drop its tags (its text stays). */
export type ElementRule = (
  name: string,
  attributes: ReadonlyMap<string, string>,
) => { readonly name: string; readonly attributes: Readonly<Record<string, string | undefined>> } | null;

/** Elements whose content is no text for readers: dropped up to their end tag. */
const OPAQUE = new Set([
  "script",
  "style",
  "iframe",
  "template",
  "noscript",
  "textarea",
  "title",
  "xmp",
  "foreignobject",
]);
const VOID = new Set(["br", "hr"]);
const DEEPEST = 256;
const NAMED: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  ndash: "–",
  mdash: "—",
  minus: "−",
  plusmn: "±",
  times: "×",
  middot: "·",
};

/** The markup that `rule` lets through, balanced. `selfClose` writes empty elements as SVG does. */
export function rebuild(markup: string, rule: ElementRule, { selfClose = false } = {}): string {
  const out: string[] = [];
  const open: { readonly source: string; readonly name: string | null }[] = [];
  let opaque: string | null = null;
  for (const token of tokens(markup)) {
    if (opaque !== null) {
      if (token.kind === "end" && token.name === opaque) opaque = null;
      continue;
    }
    if (token.kind === "text") {
      out.push(escapeHtml(decodeEntities(token.text)));
    } else if (token.kind === "end") {
      const at = open.findLastIndex((element) => element.source === token.name);
      if (at >= 0) {
        for (const { name } of open.splice(at).reverse()) out.push(name === null ? "" : `</${name}>`);
      }
    } else {
      if (OPAQUE.has(token.name)) {
        if (!token.selfClosing) opaque = token.name;
        continue;
      }
      const kept = open.length < DEEPEST ? rule(token.name, token.attributes) : null;
      const empty = VOID.has(token.name) || (selfClose && token.selfClosing);
      if (kept) out.push(`<${kept.name}${attributes(kept.attributes)}${empty && selfClose ? "/" : ""}>`);
      if (!empty) open.push({ source: token.name, name: kept?.name ?? null });
    }
  }
  for (const { name } of open.reverse()) out.push(name === null ? "" : `</${name}>`);
  return out.join("");
}

type Token =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "end"; readonly name: string }
  | {
    readonly kind: "start";
    readonly name: string;
    readonly attributes: ReadonlyMap<string, string>;
    readonly selfClosing: boolean;
  };

function* tokens(markup: string): Generator<Token> {
  let at = 0;
  while (at < markup.length) {
    const less = markup.indexOf("<", at);
    if (less < 0) return yield { kind: "text", text: markup.slice(at) };
    if (less > at) yield { kind: "text", text: markup.slice(at, less) };
    if (markup.startsWith("<!--", less)) {
      const end = markup.indexOf("-->", less + 4);
      at = end < 0 ? markup.length : end + 3;
      continue;
    }
    const tag = /^<(\/?)([a-zA-Z][\w:-]*)/.exec(markup.slice(less, less + 64));
    const end = tag || /[!?]/.test(markup[less + 1] ?? "") ? endOfTag(markup, less) : -1;
    if (end < 0) {
      // Not a tag: a lone "<". If it looked like one but never ends, the rest is text as well.
      at = tag ? markup.length : less + 1;
      yield { kind: "text", text: markup.slice(less, at) };
      continue;
    }
    at = end + 1;
    if (!tag) continue;
    const name = tag[2].toLowerCase();
    const inner = markup.slice(less + tag[0].length, end);
    if (tag[1]) yield { kind: "end", name };
    else yield { kind: "start", name, attributes: readAttributes(inner), selfClosing: inner.endsWith("/") };
  }
}

/** The index of the `>` that ends a tag, outside of quotes; -1 when there is none. */
function endOfTag(markup: string, from: number): number {
  let quote = "";
  for (let i = from; i < markup.length; i++) {
    const character = markup[i];
    if (quote) quote = character === quote ? "" : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (character === ">") return i;
  }
  return -1;
}

function readAttributes(inner: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const match of inner.matchAll(/([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/g)) {
    const name = match[1].toLowerCase();
    if (!found.has(name)) found.set(name, decodeEntities(match[2] ?? match[3] ?? match[4] ?? ""));
  }
  return found;
}

function decodeEntities(text: string): string {
  return text.replaceAll(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z]{2,6}));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return Object.hasOwn(NAMED, name) ? NAMED[name] : whole;
    const code = hex === undefined ? Number(decimal) : parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)
      ? String.fromCodePoint(code)
      : "\ufffd";
  });
}
