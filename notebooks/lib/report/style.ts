/** The report's style sheet, in the order of the cascade. */
import figures from "./style/figures.css" with { type: "text" };
import frame from "./style/frame.css" with { type: "text" };
import index from "./style/index.css" with { type: "text" };
import live from "./style/live.css" with { type: "text" };
import notebook from "./style/notebook.css" with { type: "text" };
import responsive from "./style/responsive.css" with { type: "text" };
import tables from "./style/tables.css" with { type: "text" };

/** All of it, without comments and indentation: it stands in every page. */
export const STYLE = [frame, notebook, tables, figures, index, live, responsive]
  .join("")
  .replaceAll(/\/\*[^]*?\*\//g, "")
  .replaceAll(/\n\s*/g, "\n");
