/** A published task table with the same schemes on the project's own task sets, one under the other. */
import type { TaskRow } from "../../../mod.ts";
import type { PublishedRow } from "../../../eval/claims.ts";
import type { Display } from "./emit.ts";
import { type CellValue, type Column, table } from "./table.ts";

/** A scheme with what was printed for it and what was measured. */
export interface TaskComparison {
  /** Name of the scheme. */
  readonly scheme: string;
  /** Its row in print; absent where nobody printed one. */
  readonly printed?: PublishedRow;
  /** Its accuracies here. */
  readonly measured: TaskRow;
}

/**
 * Two rows for each scheme: as printed, and measured on the project's own questions, which are not the published ones.
 * Averages are those of the tasks shown.
 */
export function taskTable(comparisons: readonly TaskComparison[], caption: string): Display {
  const tasks = Object.keys(comparisons[0]?.measured.accuracies ?? {});
  const rows = comparisons.flatMap(({ scheme, printed, measured }): Record<string, CellValue>[] => {
    const claimed = tasks.map((task) => printed?.cells.get(task)?.value ?? null);
    const whole = claimed.every((value) => value !== null);
    const average = whole ? claimed.reduce((sum, value) => sum + (value ?? 0), 0) / tasks.length : null;
    return [
      ...(printed === undefined ? [] : [{
        scheme,
        where: "as printed",
        ...Object.fromEntries(tasks.map((task, i) => [task, claimed[i]])),
        average,
      }]),
      { scheme, where: "measured", ...measured.accuracies, average: measured.average },
    ];
  });
  const columns: (string | Column)[] = [
    "scheme",
    "where",
    ...[...tasks, "average"].map((key) => ({ key, label: key.replace("_", " "), digits: 1 })),
  ];
  return table(rows, { columns, caption });
}
