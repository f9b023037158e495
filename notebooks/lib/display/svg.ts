/** Vega-Lite specifications to SVG, without a canvas and without a network. */
import type { TopLevelSpec } from "vega-lite";
import { isObject, own } from "../json.ts";
import { PLOT_CONFIG } from "./theme.ts";
import { DisplayError } from "./table.ts";

/** A Vega-Lite specification with its data inline; the theme fills in what it leaves open. */
export type PlotSpec = Readonly<Record<string, unknown>>;

const MOST_POINTS = 150;

/** The specification that is drawn and stored: version and theme added, checked to be self-contained. */
export function completeSpec(spec: PlotSpec): PlotSpec {
  refuseReferences(spec, "spec");
  const config = { ...configFor(spec), ...isObject(spec.config) ? spec.config : {} };
  // Version 5 is what Jupyter and VS Code render; version 6 draws it the same.
  return { $schema: "https://vega.github.io/schema/vega-lite/v5.json", ...spec, config };
}

/** The theme, less what does not suit the plot: points on dense lines, axis titles where headers of facets stand. */
function configFor(spec: PlotSpec): Readonly<Record<string, unknown>> {
  const { line, axisY, legend, ...config } = PLOT_CONFIG;
  const values = own(own(spec, "data"), "values");
  const dense = Array.isArray(values) && values.length > MOST_POINTS;
  const faceted = ["row", "column", "facet"].some((key) =>
    key in spec || own(spec.encoding, key) !== undefined
  );
  return {
    ...config,
    axisY: faceted ? { domain: axisY.domain, ticks: axisY.ticks, tickCount: axisY.tickCount } : axisY,
    legend: faceted ? { ...legend, offset: 12 } : legend,
    line: dense ? { ...line, point: false } : line,
  };
}

/** Draws a complete specification. A warning of the compiler, such as an unknown encoding, is an error here. */
export async function drawSvg(spec: PlotSpec): Promise<string> {
  refuseReferences(spec, "spec");
  // Loaded on the first plot: notebooks and tests that draw none start faster.
  const [{ compile }, vega] = await Promise.all([import("vega-lite"), import("vega")]);
  const warnings: string[] = [];
  const logger = vega.logger(vega.Warn);
  logger.warn = (...text: readonly unknown[]) => {
    warnings.push(text.join(" "));
    return logger;
  };
  let compiled;
  try {
    // The compiler validates what the type would: a spec may come from a file.
    compiled = compile(spec as unknown as TopLevelSpec, { logger }).spec;
  } catch (error) {
    throw new DisplayError("spec", `Cannot draw the plot: ${error instanceof Error ? error.message : error}`);
  }
  if (warnings.length > 0) throw new DisplayError("spec", `Cannot draw the plot: ${warnings.join("; ")}`);
  const view = new vega.View(vega.parse(compiled), { renderer: "none", loader: refusingLoader(), logger });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** A plot shows the data that it carries: it neither fetches nor links. */
function refuseReferences(value: unknown, at: string): void {
  if (Array.isArray(value)) {
    value.forEach((item, i) => refuseReferences(item, `${at}[${i}]`));
  } else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      // Rows of data may have any column; they are drawn, never followed.
      if (key === "values" || key === "datasets") continue;
      if (key === "url" || key === "href" || item === "image") {
        throw new DisplayError(
          "reference",
          `Cannot draw the plot: ${at}.${key} refers to something outside of it`,
        );
      }
      refuseReferences(item, `${at}.${key}`);
    }
  }
}

function refusingLoader() {
  const refuse = (uri: string): Promise<never> =>
    Promise.reject(new DisplayError("reference", `A plot may not load ${uri}`));
  return { load: refuse, sanitize: refuse, http: refuse, file: refuse };
}
