/**
 * What notebook cells show: `import { plot, show, table, verdict } from "quantbook/display"`.
 *
 * Every function makes a display; `await show(...)` is what puts displays on the page, in Jupyter and VS Code, in the
 * report, and (collected, for comparison) when the notebook runs as a plain module under `deno test`.
 */
export { bucketPlot, comparisonPlot, comparisonTable, differenceTable } from "./display/comparison.ts";
export { type Display, show } from "./display/emit.ts";
export { type Estimate } from "./display/number.ts";
export { plot, type PlotOptions } from "./display/plot.ts";
export { type Progress, progress } from "./display/progress.ts";
export { markdown, provenance } from "./display/prose.ts";
export { sizeMap } from "./display/size_map.ts";
export { type Status } from "./display/status.ts";
export { type PlotSpec } from "./display/svg.ts";
export { type CellValue, type Column, DisplayError, table, type TableOptions } from "./display/table.ts";
export { type TaskComparison, taskTable } from "./display/task_table.ts";
export { palette } from "./display/theme.ts";
export { type Verdict, verdict } from "./display/verdict.ts";
export { type Evidence, witness } from "./display/witness.ts";
