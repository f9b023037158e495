import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Browser, CHROMIUM } from "./browser.ts";
import { checkSite } from "./check_site.ts";
import { plot, table } from "./display.ts";
import { ownPage } from "./live/own/page.ts";
import { storedRuns } from "./live/record.ts";
import { liveSection } from "./live/section.ts";
import { liveTables } from "./live/tables.ts";
import { notebookOf } from "./notebook/notebook_testing.ts";
import { claimsPage } from "./report/claims_page.ts";
import { notebookPage } from "./report/notebook_page.ts";
import { renderPage } from "./report/page.ts";

const hasChromium = await Deno.stat(CHROMIUM).then(() => true, () => false);
const screen = { width: 360, height: 700, theme: "dark" } as const;

/** A folder with a notebook's page and a page of numbers. */
async function writePages(): Promise<string> {
  const folder = await Deno.makeTempDir();
  const notebook = notebookOf("const a = 1;");
  const values = [{ x: 1, y: 1 }, { x: 2, y: 4 }];
  const encoding = { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } };
  const displays = [
    table([{ name: "b", n: 10 }, { name: "a", n: 9 }, { name: "c", n: null }], { caption: "Names" }),
    plot({ data: { values }, mark: { type: "point", size: 400 }, encoding }, { alt: "Two points." }),
  ];
  const [cell] = notebook.cells;
  for (const { render, metadata } of displays) {
    const output = { output_type: "display_data", data: await render(), metadata } as const;
    if (cell.cell_type === "code") cell.outputs.push(output);
  }
  const about = { title: "N", question: "Q?", order: 1 };
  const page = await notebookPage({ name: "n", about, notebook, seconds: 1 }, () => null);
  const row = { table: "T", model: "M", method: "RTN", settings: "", dataset: "d", metric: "m", claimed: 1 };
  const claims = claimsPage([
    { ...row, id: "1", paper: "P", status: "trend" },
    { ...row, id: "2", paper: "Q", status: "unrun" },
  ]);
  const body = liveSection(liveTables[0], await storedRuns(), 6_500_000);
  const live = { ...page, file: "live.html", body: `<h1>Live</h1>${body}`, live: true };
  for (const one of [page, claims, live, ownPage]) {
    await Deno.writeTextFile(join(folder, one.file), renderPage(one, "Footer"));
  }
  return folder;
}

Deno.test({
  name: "the site check finds nothing on our pages, and each planted fault on another",
  ignore: !hasChromium,
  fn: async () => {
    const folder = await writePages();
    try {
      assertEquals(await checkSite(folder, undefined, [screen]), []);
      await Deno.writeTextFile(
        join(folder, "bad.html"),
        `<html><body><div id="wide">x</div><img src="http://127.0.0.1:9/x.png"><style>#wide{width:900px}</style>
        <script>console.error("planted"); throw new Error("thrown")</script></body></html>`,
      );
      const findings = (await checkSite(folder, undefined, [screen])).join("\n");
      const planted = [
        "request: http://127.0.0.1:9",
        "planted",
        "thrown",
        "scrolls sideways",
        "image-alt",
        "html-has-lang",
      ];
      for (const words of planted) assertStringIncludes(findings, words);
      assert(!findings.includes("n.html"));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "pages come alive: sorting, tooltips, filters, the theme switch",
  ignore: !hasChromium,
  fn: async () => {
    const folder = await writePages();
    try {
      await using browser = await Browser.start();
      await browser.open(pathToFileURL(join(folder, "n.html")).href, screen);
      const names =
        "[...document.querySelectorAll('.table-box table')[0].tBodies[0].rows].map((r) => r.cells[0].textContent).join('')";
      const sortBy = (column: number) =>
        browser.evaluate(`document.querySelectorAll('.sort')[${column}].click(), ${names}`);
      assertEquals(await browser.evaluate(names), "bac");
      // Numbers sort as numbers, and what is missing stays last.
      assertEquals([await sortBy(1), await sortBy(1), await sortBy(0)], ["abc", "bac", "abc"]);
      const tip = `(() => {
        const mark = document.querySelector(".plot-narrow [data-tip]");
        mark.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, clientX: 50, clientY: 300 }));
        return document.querySelector(".tip").textContent;
      })()`;
      assertEquals(await browser.evaluate(tip), "x1y1");
      const theme =
        "document.querySelector('.theme-switch').click(), getComputedStyle(document.body).backgroundColor";
      const [first, second] = [await browser.evaluate(theme), await browser.evaluate(theme)];
      assertEquals(first, "rgb(255, 255, 255)");
      assert(first !== second);
      await browser.open(pathToFileURL(join(folder, "every-number.html")).href, screen);
      const choose = `(() => {
        const select = document.querySelector(".filters select");
        select.value = "Q";
        select.dispatchEvent(new Event("change"));
        return document.querySelector(".filters output").textContent;
      })()`;
      assertEquals(await browser.evaluate(choose), "1 of 2 shown");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
