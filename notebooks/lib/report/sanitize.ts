/** What HTML of notebook outputs may appear in the report: tables and plain phrases, nothing that acts or loads. */
import { STATUSES } from "../display/status.ts";
import { rebuild } from "./markup.ts";

const ELEMENTS = new Set(
  ("table caption thead tbody tfoot tr th td p br hr div span strong em b i code pre sub sup small ul ol li dl dt dd a")
    .split(" "),
);
const CLASSES = new Set(["num", "verdict", "status", ...STATUSES.map((status) => `status-${status}`)]);

/** Whether a link may be followed from the report: the web, or a place in the report itself. */
export function isSafeLink(href: string): boolean {
  // Browsers skip control characters and white space within a scheme, hence no characters of that kind at all.
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u0020\u007f-\u00a0\u2028\u2029\\]/.test(href)) return false;
  return /^https?:\/\/[^/?#]/i.test(href) || /^#[\w.-]*$/.test(href) ||
    /^(?!\/)[\w./-]+(?:#[\w.-]*)?$/.test(href);
}

/** Whether a value is a picture in base64: the signature of such a file, and nothing but base64 after it. */
export function isPicture(value: unknown, kind: "png" | "jpeg"): value is string {
  const signature = { png: "iVBORw0KGgo", jpeg: "/9j/" }[kind];
  return typeof value === "string" && value.startsWith(signature) &&
    /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value);
}

/** The harmless part of an HTML output. */
export function sanitizeHtml(html: string): string {
  return rebuild(html, (name, given) => {
    if (!ELEMENTS.has(name)) return null;
    const number = (
      value?: string,
    ) => (value !== undefined && /^[1-9]\d{0,2}$/.test(value) ? value : undefined);
    const classes = (given.get("class") ?? "").split(/\s+/).filter((item) => CLASSES.has(item));
    const cell = name === "td" || name === "th";
    const scope = given.get("scope");
    const href = given.get("href");
    if (name === "a" && (href === undefined || !isSafeLink(href))) return null;
    return {
      name,
      attributes: {
        scope: name === "th" && (scope === "col" || scope === "row") ? scope : undefined,
        class: classes.length > 0 ? classes.join(" ") : undefined,
        colspan: cell ? number(given.get("colspan")) : undefined,
        rowspan: cell ? number(given.get("rowspan")) : undefined,
        "data-sort": cell ? given.get("data-sort") : undefined,
        href: name === "a" ? href : undefined,
      },
    };
  });
}
