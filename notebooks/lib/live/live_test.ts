/** The cells of the pages, their stored runs, and what of them stands in a page. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { corpus } from "../../../eval/corpus.ts";
import { loadModel } from "../../../model/load.ts";
import { methods } from "../../methods.ts";
import script from "../report/script.js" with { type: "text" };
import { renderPage } from "../report/page.ts";
import { calibrated, cellName, choicesOf, liveTexts, scored } from "./cells.ts";
import { liveTables } from "./tables.ts";
import { recordCell, storedRuns } from "./record.ts";
import { liveSection } from "./section.ts";

const runs = await storedRuns();

Deno.test("every cell has a stored run, and every stored run a cell; no two certificates of different cells are equal by chance", () => {
  const names = liveTables.flatMap((table) => choicesOf(table).map((choice) => cellName(table, choice)));
  assertEquals(Object.keys(runs).sort(), names.sort());
  assertEquals(Object.values(runs).filter(({ certificate }) => !/^[0-9a-f]{64}$/.test(certificate)), []);
  assert(new Set(Object.values(runs).map(({ certificate }) => certificate)).size > 0.9 * names.length);
});

Deno.test("tables are about notebooks and methods that there are", () => {
  const notebooks = methods.map(({ notebook }) => notebook);
  for (const { notebook, method } of liveTables) {
    assert(notebooks.includes(notebook), notebook);
    assert(methods.some(({ id }) => id === method), method);
  }
});

Deno.test("the pages' texts give the windows that the whole corpora give", async () => {
  using model = await loadModel("fixture:llama");
  const { test, train } = await liveTexts();
  for (
    const [split, text, { windows, length }] of [["test", test, scored], [
      "train",
      train,
      calibrated,
    ]] as const
  ) {
    const whole = await corpus("sotu", { split, windows, length });
    const ids = model.tokenizer.encode(text);
    assertEquals(whole.map((one) => [...one]).flat(), [...ids.subarray(0, windows * length)]);
  }
});

for (const table of liveTables) {
  Deno.test(`the first cell of ${table.notebook} is measured here as it is stored`, async () => {
    const [choice] = choicesOf(table);
    assertEquals(await recordCell(table, choice), runs[cellName(table, choice)]);
  });
}

Deno.test("a page without its button pressed is less than 5 kB heavier, and readable without a script", () => {
  for (const table of liveTables) {
    const html = liveSection(table, runs, 6_500_000);
    const inline = /function measureHere[^]*?\n {2}}\n/.exec(script)?.[0] ?? "";
    assert(inline.length > 500);
    assert(html.length + inline.length < 5000, `${table.notebook}: ${html.length} + ${inline.length} bytes`);
    for (const choice of choicesOf(table)) {
      assertStringIncludes(html, runs[cellName(table, choice)].perplexity.toFixed(6));
    }
    assertEquals(html.match(/<button[^>]*>/g)?.filter((tag) => !tag.includes("hidden")), []);
  }
});

Deno.test("only a page with the button may load anything, from its own server alone", () => {
  const page = { file: "a.html", title: "a", description: "a", body: "", kind: "notebook" } as const;
  const policy = (live: boolean) =>
    /Content-Security-Policy" content="([^"]*)"/.exec(renderPage({ ...page, live }, ""))?.[1].replaceAll(
      "&#39;",
      "'",
    ) ??
      "";
  assert(!policy(false).includes("'self'") && !policy(true).includes("unsafe"));
  assertStringIncludes(policy(true), "worker-src 'self'; connect-src 'self'");
});
