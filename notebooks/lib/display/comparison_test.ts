/** The tables and plots of a comparison show its numbers, open intervals and noise floor included. */
import { assert, assertEquals } from "@std/assert";
import { corpus, rtn } from "../../../mod.ts";
import { compare } from "../../../eval/mod.ts";
import { bucketPlot, comparisonPlot, comparisonTable, differenceTable } from "./comparison.ts";
import { VEGA_LITE } from "./plot.ts";

Deno.test("rows for candidates and noises, one test a pair and one a candidate, points with intervals", async () => {
  const windows = await corpus("sotu", { windows: 4, length: 32 });
  const w = (bits: number) => ({
    model: "fixture:llama",
    label: `W${bits}`,
    scheme: { weights: rtn({ bits }) },
  });
  const comparison = await compare("fixture:llama", [w(8), w(3)], { windows, results: null });
  const text = async (display: ReturnType<typeof comparisonTable>) =>
    String((await display.render())["text/plain"]);
  const lines = (await text(comparisonTable(comparison))).split("\n");
  assertEquals(lines.length, 3 + 4);
  assert(
    lines[0].includes("4 windows, 128 tokens; 95 % intervals, 4 windows counted as independent"),
    lines[0],
  );
  const [w8, w3] = comparison.candidates;
  assert(lines[4].startsWith("W3") && lines[4].includes(w3.divergence.mean.value.toPrecision(3)), lines[4]);
  assert(lines[4].includes("∞]"), lines[4]);
  assert(lines[6].startsWith("reference in another order of sums"), lines[6]);
  const tests = (await text(differenceTable(comparison))).split("\n");
  assertEquals(tests.length, 3 + comparison.differences.length);
  assert(tests[3].startsWith("W8 − W3"), tests[3]);
  const plotted = await comparisonPlot(comparison).render();
  const spec = JSON.stringify(plotted[VEGA_LITE]);
  for (const one of [w8, w3]) {
    assert(spec.includes(`"bytes":${one.bytes}`) && spec.includes(String(one.divergence.mean.interval[1])));
  }
  assert(spec.includes("reference in bfloat16"));
  const buckets = await bucketPlot(comparison).render();
  assert(String(buckets["text/plain"]).includes("W3 is furthest from the reference where"));
  const values = comparison.candidates.flatMap((one) => one.buckets).filter(({ positions }) => positions > 0);
  assert(values.length > 6);
});
