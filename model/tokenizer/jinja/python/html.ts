/** Text as HTML: what the filters `escape`, `safe`, `striptags` and `xmlattr` need. */
import { spend, spendText, unsupported } from "../error.ts";
import { whiteSpace } from "./text.ts";
import { Markup, str, type Value } from "./values.ts";

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  ">": "&gt;",
  "<": "&lt;",
  "'": "&#39;",
  '"': "&#34;",
};

/** A value as text in which no character means anything to HTML; what is HTML already stays as it is. */
export function escapeHtml(value: Value): string {
  return value instanceof Markup ? value.content : str(value).replace(/[&><'"]/g, (one) => entities[one]);
}

/** Text without tags, comments and repeated white space, its entities resolved. */
export function stripTags(text: string): string {
  let plain = "", at = 0;
  for (let open = text.indexOf("<"); open >= 0; open = text.indexOf("<", at)) {
    spend(1);
    const mark = text.startsWith("<!--", open) ? "-->" : ">";
    const end = text.indexOf(mark, open + (mark === ">" ? 0 : 4));
    if (end < 0) break;
    plain += text.slice(at, open);
    at = end + mark.length;
  }
  plain += text.slice(at);
  return words(plain).join(" ").replace(/&(#?)(\w+);?/g, (whole, hash, name) => entity(whole, hash, name));
}

function entity(whole: string, hash: string, name: string): string {
  const known: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  const code = hash === "" ? NaN : /^x/i.test(name) ? parseInt(name.slice(1), 16) : parseInt(name, 10);
  if (whole.endsWith(";") && code >= 32 && code < 127) return String.fromCharCode(code);
  if (whole.endsWith(";") && hash === "" && Object.hasOwn(known, name)) return known[name];
  throw unsupported(`the entity ${whole}`);
}

const gaps = new RegExp(`[${whiteSpace}]+`);

/** The words of a text. */
export function words(text: string): string[] {
  spendText(text.length);
  const list = text.split(gaps).filter(Boolean);
  spend(list.length);
  return list;
}
