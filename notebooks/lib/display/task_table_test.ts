/** A task table shows what was printed above what was measured, in the order of the tasks, and averages what it shows. */
import { assertEquals } from "@std/assert";
import { publishedTable } from "../../../eval/claims.ts";
import type { TaskRow } from "../../../eval/sweep/tasks.ts";
import { taskTable } from "./task_table.ts";

Deno.test("printed and measured rows stand one under the other; what nobody printed has one row", async () => {
  const { rows } = await publishedTable("kivi_acc");
  const half = { value: 50, standardError: 2 };
  const measured: TaskRow = {
    ...{ model: "m", scheme: {}, label: "l", key: "k" },
    ...{
      accuracies: { piqa: half, boolq: { value: 70, standardError: 1 } },
      average: { value: 60, standardError: 1.5 },
    },
  };
  const printed = rows.find(({ method }) => method === "KIVI-2");
  const display = taskTable(
    [{ scheme: "KIVI-2", printed, measured }, { scheme: "ours", measured }],
    "Two tasks.",
  );
  const lines = String((await display.render())["text/plain"]).trim().split("\n").map((line) =>
    line.split(/ {2,}/)
  );
  const [claimed, claimedBoolq] = ["piqa", "boolq"].map((key) => printed?.cells.get(key)?.value ?? NaN);
  assertEquals(lines[0], ["Two tasks."]);
  assertEquals(lines[1].map((one) => one.trim()), ["scheme", "where", "piqa", "boolq", "average"]);
  const numbers = [claimed, claimedBoolq, (claimed + claimedBoolq) / 2].map((value) => value.toFixed(1));
  assertEquals(lines[3].map((one) => one.trim()), ["KIVI-2", "as printed", ...numbers]);
  const here = ["measured", "50.0 ± 2.0", "70.0 ± 1.0", "60.0 ± 1.5"];
  assertEquals(lines[4], ["KIVI-2", ...here]);
  assertEquals(lines[5], ["ours", ...here]);
  assertEquals(lines.length, 6);
});
