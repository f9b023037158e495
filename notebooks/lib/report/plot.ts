/**
 * Plots in the report: drawn at build time as inline SVG whose colours follow the reader's theme.
 *
 * Vega draws the specification in the colours of `display/theme.ts`; here the SVG is rebuilt through an allow-list, its
 * colours become CSS variables, and each mark's description becomes `data-tip`, from which the page's script shows tooltips.
 */
import { escapeHtml, sentenceHtml } from "../html.ts";
import { isObject, type JsonObject, objectAt, own } from "../json.ts";
import { completeSpec, drawSvg, type PlotSpec } from "../display/svg.ts";
import { INK, palette } from "../display/theme.ts";
import { type ElementRule, rebuild } from "./markup.ts";

/** Width of the drawing for small screens, in pixels. */
const NARROW_WIDTH = 262;
const MOST_DATA_ROWS = 120;

const COLOURS = new Map<string, string>([
  ...Object.entries(INK).map(([name, colour]) => [colour, `var(--plot-${name})`] as const),
  ...Object.entries(palette).map(([name, colour]) => [colour, `var(--plot-${name})`] as const),
  ["white", "var(--plot-paper)"],
  ["#000", "var(--plot-text)"],
  ["black", "var(--plot-text)"],
]);
const SHAPES = new Set(["svg", "g", "path", "line", "rect", "circle", "text", "tspan", "defs", "clippath"]);
/** Colour scales of legends. */
const GRADIENTS = new Map([["lineargradient", "linearGradient"], ["stop", "stop"]]);
const GEOMETRY = new Set(
  ("d x y x1 y1 x2 y2 cx cy r rx ry dx dy width height transform viewbox text-anchor font-size font-weight font-style " +
    "stroke-width stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit " +
    "stroke-opacity fill-opacity opacity offset").split(" "),
);

/** A plot as it stands on a page: one drawing for wide screens, one for narrow, its caption and its data. */
export async function plotFigure(
  spec: JsonObject,
  alt: string,
  caption: string,
  id: string,
): Promise<string> {
  const wide = await themedSvg(spec, alt);
  const narrowSpec = narrowed(spec);
  const narrow = narrowSpec ? await themedSvg(narrowSpec, alt) : null;
  const drawings = narrow
    ? `<div class="plot-wide">${wide}</div><div class="plot-narrow">${narrow}</div>`
    : `<div class="plot-scroll" tabindex="0" role="region" aria-label="Plot">${wide}</div>`;
  const text = caption === "" ? "" : `<figcaption>${sentenceHtml(caption)}</figcaption>`;
  return `<figure class="plot" id="${id}">${drawings}${text}${dataTable(spec)}</figure>`;
}

/** A small picture of a plot without words, for cards. */
export async function plotThumbnail(spec: JsonObject): Promise<string> {
  const bare = {
    axis: { labels: false, ticks: false, title: null, domain: true },
    legend: { disable: true },
  };
  const config = isObject(spec.config) ? spec.config : {};
  const axis = { ...objectAt(config, "axis"), ...bare.axis };
  const small = { ...spec, title: undefined, config: { ...config, axis, legend: bare.legend } };
  const svg = await drawSvg(completeSpec(small));
  return rebuild(svg, (name, given) => (name === "text" ? null : svgRule(name, withoutTip(given), null)), {
    selfClose: true,
  })
    .replaceAll(/>[^<>]+</g, "><");
}

async function themedSvg(spec: PlotSpec, alt: string): Promise<string> {
  const svg = await drawSvg(completeSpec(spec));
  return rebuild(svg, (name, given) => svgRule(name, given, alt), { selfClose: true });
}

function withoutTip(given: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...given].filter(([name]) => name !== "aria-label"));
}

function svgRule(
  name: string,
  given: ReadonlyMap<string, string>,
  alt: string | null,
): ReturnType<ElementRule> {
  if (!(SHAPES.has(name) || GRADIENTS.has(name)) || given.get("display") === "none") return null;
  const kept: Record<string, string | undefined> = {};
  for (const [key, value] of given) {
    if (key === "fill" || key === "stroke" || key === "stop-color") kept[key] = colour(value);
    else if (key === "clip-path" && /^url\(#clip\d+\)$/.test(value)) kept[key] = value;
    else if (GEOMETRY.has(key) && !/url|[<>"']/i.test(value)) {
      kept[key === "viewbox" ? "viewBox" : key] = rounded(value);
    }
  }
  if (name === "clippath") return { name: "clipPath", attributes: { id: given.get("id") } };
  const gradient = GRADIENTS.get(name);
  if (gradient !== undefined) {
    const id = given.get("id");
    return { name: gradient, attributes: { ...kept, id: id && /^gradient_\d+$/.test(id) ? id : undefined } };
  }
  if (name === "svg") {
    const label = alt === null ? { "aria-hidden": "true" } : { role: "img", "aria-label": alt };
    return { name, attributes: { ...kept, ...label, focusable: "false" } };
  }
  // The sheet below the drawing is the page itself.
  if (given.get("class") === "background" || (name === "rect" && kept.fill === "var(--plot-paper)")) {
    return null;
  }
  const tip = given.get("aria-label");
  const isMark = given.get("role") === "graphics-symbol" && name !== "g";
  return { name, attributes: { ...kept, "data-tip": isMark ? tip : undefined } };
}

function colour(value: string): string | undefined {
  const known = COLOURS.get(value.toLowerCase());
  if (known) return known;
  return /^(?:none|transparent|url\(#gradient_\d+\)|#[0-9a-f]{3,8}|[a-z]+|rgba?\([\d., %]+\))$/i.test(value)
    ? value
    : undefined;
}

/** Two decimals are a fiftieth of a pixel: the rest of the digits is only weight. */
function rounded(value: string): string {
  return value.replaceAll(/-?\d+\.\d{3,}(?:e-?\d+)?/g, (number) => String(Number(Number(number).toFixed(2))));
}

/** The specification for narrow screens; null for composed views, which scroll in their box instead. */
function narrowed(spec: JsonObject): PlotSpec | null {
  if (["facet", "repeat", "hconcat", "vconcat", "concat"].some((key) => key in spec)) return null;
  const encoding = own(spec, "encoding");
  if (own(encoding, "column") !== undefined || own(encoding, "facet") !== undefined) return null;
  const config = isObject(spec.config) ? spec.config : {};
  const legend = { ...objectAt(config, "legend"), columns: 2 };
  return { ...spec, width: NARROW_WIDTH, config: { ...config, legend } };
}

/** The rows behind a plot, folded: what tooltips show, for keyboards, screen readers and paper. */
function dataTable(spec: JsonObject): string {
  const values = own(own(spec, "data"), "values");
  if (!Array.isArray(values) || values.length === 0 || values.length > MOST_DATA_ROWS) return "";
  const rows = values.filter(isObject);
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value: unknown) =>
    typeof value === "number"
      ? `<td class="num" data-sort="${value}">${
        escapeHtml(String(Number(value.toPrecision(6))).replace("-", "−"))
      }</td>`
      : `<td>${escapeHtml(value === null || value === undefined ? "–" : String(value))}</td>`;
  const head = keys.map((key) => `<th scope="col">${escapeHtml(key)}</th>`).join("");
  const body = rows.map((row) => `<tr>${keys.map((key) => cell(row[key])).join("")}</tr>`).join("");
  return `<details class="plot-data"><summary>Data of this plot</summary><div class="table-box" tabindex="0" role="region" ` +
    `aria-label="Data of this plot"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div></details>`;
}
