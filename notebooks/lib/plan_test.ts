/** A results store from another machine renders the report, and nothing is computed. */
import { assert, assertEquals } from "@std/assert";
import { defaultDevice } from "../../kernels/default.ts";
import { planSweeps } from "../../eval/sweep/plan.ts";
import { runShard } from "../../eval/sweep/run.ts";
import { tinyProfile, tinySweep } from "../../eval/sweep/tiny_testing.ts";
import { NOTEBOOKS } from "./notebook/files.ts";
import { notebookOf } from "./notebook/notebook_testing.ts";
import { formatNotebook } from "./notebook/notebook.ts";
import { planNotebook } from "./plan.ts";
import { executed } from "./report/executed.ts";
import { readBuild } from "./report/build.ts";
import { renderSite } from "./report/site.ts";

Deno.test("a store that a planned sweep filled elsewhere renders the report without measuring", async () => {
  const directory = await Deno.makeTempDir();
  // Notebooks import by the names of the project's deno.json.
  const path = `${NOTEBOOKS}/.check.${crypto.randomUUID().slice(0, 8)}.ipynb`;
  try {
    const { cells } = await tinySweep(`${directory}/model`, 3);
    const source = `
import { corpus, sweep } from "quantbook";
import { show, table } from "quantbook/display";
const windows = await corpus("sotu", { windows: 2, length: 16 });
const rows = await sweep(${JSON.stringify(cells)}, { windows });
await show(table(rows.map(({ label, perplexity }) => ({ label, perplexity: perplexity.value }))));`;
    const quantbook = { title: "Small", question: "Does it render?", order: 1 };
    const notebook = notebookOf(source);
    const metadata = { ...notebook.metadata, quantbook };
    await Deno.writeTextFile(path, formatNotebook({ ...notebook, metadata }));

    const empty = { QUANTBOOK_CACHE: `${directory}/here` };
    const plans = await planNotebook(path, empty);
    const manifest = await planSweeps(plans, (await defaultDevice()).name, tinyProfile);
    assertEquals(manifest.cells.map(({ label }) => label), cells.map(({ label }) => label));
    await runShard(manifest, { results: `${directory}/elsewhere` });
    assertEquals(await planNotebook(path, { QUANTBOOK_CACHE: `${directory}/elsewhere` }), []);

    const render = (store: string) =>
      executed(path, "sources", {
        folder: `${directory}/executed`,
        env: { QUANTBOOK_STORED: "1", QUANTBOOK_CACHE: `${directory}/${store}` },
      });
    const without = await render("here");
    assert(without.error?.includes("no result"), `${without.error}`);
    const run = await render("elsewhere");
    assertEquals(run.error, null);
    const pages = await renderSite({
      notebooks: [run],
      claims: [],
      errata: [],
      methods: [],
      build: await readBuild(),
    });
    const html = [...pages.values()].join("");
    for (const { label } of cells) assert(html.includes(label), label);
  } finally {
    await Deno.remove(path).catch(() => {});
    await Deno.remove(directory, { recursive: true });
  }
});
