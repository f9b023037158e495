/** Plots: a Vega-Lite specification in, a bundle out that Jupyter, VS Code, GitHub and the report can all show. */
import { isObject, type Json } from "../json.ts";
import { type Display, makeDisplay } from "./emit.ts";
import { svgToPng } from "./png.ts";
import { completeSpec, drawSvg, type PlotSpec } from "./svg.ts";
import { DisplayError } from "./table.ts";

/** The MIME type of Vega-Lite 5, which Jupyter and VS Code draw interactively. */
export const VEGA_LITE = "application/vnd.vegalite.v5+json";

/** Options of `plot`. */
export interface PlotOptions {
  /** What the plot shows, in a sentence computed from the data, for readers who cannot see it. */
  readonly alt: string;
  /** The caption below it in the report. */
  readonly caption?: string;
}

/**
 * A plot. Its data stands in the specification; units belong into the titles of the axes.
 * @example
 * ```ts
 * import { plot, show } from "quantbook/display";
 * const values = [{ bits: 3, ppl: 31.2 }, { bits: 4, ppl: 24.1 }];
 * await show(plot({
 *   data: { values },
 *   mark: "line",
 *   encoding: {
 *     x: { field: "bits", type: "quantitative", title: "bits per weight" },
 *     y: { field: "ppl", type: "quantitative", title: "perplexity" },
 *   },
 * }, { alt: "Perplexity falls from 31.2 at 3 bits to 24.1 at 4 bits." }));
 * ```
 */
export function plot(spec: PlotSpec, { alt, caption }: PlotOptions): Display {
  if (alt.trim() === "") throw new DisplayError("alt", "Cannot show a plot without an alt text");
  requireBarEnds(spec);
  const complete = completeSpec(spec);
  return makeDisplay({ kind: "plot", alt, ...(caption === undefined ? {} : { caption }) }, async () => ({
    // Through JSON, as the kernel sends it: NaN becomes null, undefined disappears, in every way of running.
    [VEGA_LITE]: JSON.parse(JSON.stringify(complete)) as Json,
    "image/png": (await svgToPng(await drawSvg(complete), 1.5)).toBase64(),
    "text/plain": alt,
  }));
}

/** Bars begin at 0, which a logarithmic axis has not: without an end of their own nothing of them is drawn. */
function requireBarEnds({ mark, encoding }: PlotSpec): void {
  const type = isObject(mark) ? mark.type : mark;
  if (type !== "bar" && type !== "area" || !isObject(encoding)) return;
  for (const axis of ["x", "y"]) {
    const channel = encoding[axis], scale = isObject(channel) ? channel.scale : undefined;
    if (!isObject(scale) || scale.type !== "log" || encoding[`${axis}2`] !== undefined) continue;
    throw new DisplayError(
      "mark",
      `A ${type} on a logarithmic ${axis} begins at 0, which is not there: expected points, or ${axis}2`,
    );
  }
}
