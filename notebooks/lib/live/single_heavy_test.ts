/** The single file: opened from a disk, it measures what is stored, and asks nobody for anything. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { UsageError } from "../../../cli/command_line.ts";
import { desk, heard, press, said, withChromium } from "./reader_testing.ts";
import { singlePage } from "./single.ts";

Deno.test("a page without cells is refused by name", async () => {
  const error = await singlePage("errata", "usage").catch((error) => error);
  assert(error instanceof UsageError);
  assertStringIncludes(error.message, "no page errata that measures in its reader's browser: expected rtn, ");
});

Deno.test("one file, opened from a disk: equal, bit for bit, and no request", async () => {
  const html = await singlePage("smoothquant", "usage"), folder = await Deno.makeTempDir();
  assert(html.length <= 15e6, `${html.length} bytes`);
  assertEquals(html.match(/<a\b[^>]*href="(?!#|https?:)[^"]*"/g), null);
  assert(!/unsafe-(?:inline|eval)'/.test(html.slice(0, 3000).replace("wasm-unsafe-eval", "")));
  try {
    const file = join(folder, "a page.html");
    await Deno.writeTextFile(file, html);
    await withChromium(async (browser) => {
      const begun = performance.now();
      const { requests, errors } = await heard(browser, async () => {
        await browser.open(pathToFileURL(file).href, desk);
        await press(browser, "run");
        assertStringIncludes(await said(browser, /^(?:Equal|Not )/), "Equal, bit for bit");
      });
      console.log(
        `${html.length} bytes, ${((performance.now() - begun) / 1000).toFixed(1)} s to the first number`,
      );
      assertEquals(errors, []);
      assertEquals(requests.filter((url) => !/^(?:blob:|data:)/.test(url)), [pathToFileURL(file).href]);
      assertEquals(await browser.evaluate(`document.querySelectorAll("[data-measured]").length`), 1);
      assertEquals(await browser.evaluate(`document.querySelectorAll(".live-red").length`), 0);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
