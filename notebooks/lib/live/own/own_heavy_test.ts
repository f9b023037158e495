/** A reader's own model in Chromium: its map and its comparison are those of Deno, and nothing leaves the browser. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fixture } from "../../../../base/fixture.ts";
import { readText } from "../../../../base/file.ts";
import { windowsOf } from "../../../../browser/measure.ts";
import { compare } from "../../../../eval/compare.ts";
import { rtn } from "../../../../mod.ts";
import { loadModel } from "../../../../quant/published/load.ts";
import { sizes } from "../../../../quant/weights/sizes.ts";
import type { Browser } from "../../browser.ts";
import { objectAt } from "../../json.ts";
import { desk, heard, said, serving, withChromium } from "../reader_testing.ts";
import { siteOf } from "../site_testing.ts";

/** Opens the page, and lets a reader do something there. */
async function reading(run: (browser: Browser, url: string) => Promise<void>): Promise<void> {
  await using server = serving(await siteOf([]));
  await withChromium(async (browser) => {
    await browser.open(`${server.url}your-model.html`, desk);
    await run(browser, server.url);
  });
}

/** Chooses files as a reader does. */
async function choose(browser: Browser, files: readonly string[]): Promise<void> {
  const { root } = await browser.send("DOM.getDocument"), { nodeId } = objectAt({ root }, "root");
  const found = await browser.send("DOM.querySelector", { nodeId, selector: ".own input[type=file]" });
  await browser.send("DOM.setFileInputFiles", { files: [...files], nodeId: found.nodeId });
}

const ended = /^(?:Opened|Compared|Nothing|Stopped|.*Nothing was read)/;

Deno.test("a GGUF file: its map, a comparison with itself, and no byte sent", async () => {
  const path = await fixture("published/llama2l-Q4_K_M.gguf");
  using model = await loadModel(path);
  const { model: whole, linear, parts } = sizes(model);
  await reading(async (browser, url) => {
    assertEquals(await browser.evaluate(`performance.getEntriesByType("resource").length`), 0);
    const { requests, errors } = await heard(browser, async () => {
      await choose(browser, [path]);
      assertEquals(
        await said(browser, ended),
        `Opened: llama, ${whole.weights.toLocaleString("en")} weights, ${
          linear.bitsPerWeight.toFixed(2)
        } bits per weight in linear layers, ${whole.bitsPerWeight.toFixed(2)} in all. Nothing was uploaded.${
          model.notices.map((one) => ` ${one}`).join("")
        }`,
      );
      const fields = await browser.evaluate(
        `[...document.querySelectorAll(".own-fields tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent))`,
      );
      const heads = await browser.evaluate(
        `[...document.querySelectorAll(".own-fields thead th")].map((cell) => cell.textContent)`,
      );
      const [first, ...columns] = heads as string[];
      assertEquals([first, ...columns.slice(0, 7)], ["layer", "q", "k", "v", "o", "gate", "up", "down"]);
      assertEquals(
        fields,
        [0, 1].map((layer) => [
          String(layer),
          ...columns.map((column) => {
            const found = parts.filter((one) =>
              one.layer === layer && (one.kind === "linear" ? one.role : one.kind) === column
            );
            const sum = (of: (one: typeof found[0]) => number) =>
              found.reduce((all, one) => all + of(one), 0);
            return (8 * sum(({ bytes }) => bytes) / sum(({ weights }) => weights)).toFixed(1);
          }),
        ]),
      );
      await browser.evaluate(`document.querySelector(".own-compare").click()`);
      const text = (await readText(await fixture("corpora/sotu.test.txt"))).slice(0, 12_000);
      const windows = windowsOf("text", { text, windows: 4, length: 128 }, model.tokenizer);
      const scheme = { weights: rtn({ bits: 4, groupSize: 32 }) };
      const { candidates: [{ divergence: { mean: { value, interval: [low, high] } } }] } = await compare(
        path,
        [{ model: path, scheme, label: "requantized" }],
        { windows, results: null, noise: false, execution: "packed" },
      );
      assertEquals(
        await said(browser, /^(?:Compared|Nothing)/),
        `Compared: the divergence from the file's own model is ${value.toPrecision(6)} (${
          low.toPrecision(4)
        } to ${high.toPrecision(4)}) nats, with a 95 % interval.`,
      );
    });
    assertEquals(errors, []);
    assert(requests.length > 0);
    assertEquals(requests.filter((one) => !one.startsWith(`${url}live/`)), []);
  });
});

Deno.test("safetensors: with its configuration and tokenizer it is compared, alone it is mapped", async () => {
  const names = ["config.json", "tokenizer.json", "model.safetensors"];
  const paths = await Promise.all(names.map((name) => fixture(`models/llama/${name}`)));
  await reading(async (browser) => {
    await choose(browser, paths);
    assertMatch(
      await said(browser, ended),
      /^Opened: llama, 2,885,888 weights, 16\.00 bits per weight .*\. Nothing was uploaded\./,
    );
    assertEquals(await browser.evaluate(`document.querySelector(".own-controls").hidden`), false);
    await browser.evaluate(`document.querySelector(".own-compare").click()`);
    await said(browser, /^Comparing/);
    await browser.evaluate(`document.querySelector(".own-stop").click()`);
    assertEquals(await said(browser, /^Stopped/), "Stopped: nothing was compared.");
    await choose(browser, paths.slice(2));
    assertMatch(
      await said(browser, /^Opened: \d+ tensors/),
      /^Opened: \d+ tensors\. Nothing was uploaded\. It cannot be compared: .*config\.json/,
    );
    assertEquals(await browser.evaluate(`document.querySelector(".own-controls").hidden`), true);
    assertEquals(await browser.evaluate(`document.querySelectorAll(".own-map tbody tr").length > 10`), true);
  });
});

Deno.test("what is no model, and what is too large, ends in a sentence", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const large = `${folder}/large.gguf`;
    // A file of nothing, which takes no room on a disk.
    await Deno.writeTextFile(large, "");
    await Deno.truncate(large, 501_000_000);
    await reading(async (browser) => {
      await choose(browser, [large]);
      assertEquals(
        await said(browser, ended),
        "large.gguf: 501.0 MB, and this page takes up to 500.0 MB. Nothing was read.",
      );
      await browser.evaluate(`{
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(["no model"], "letter.txt"));
        document.querySelector(".own").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
      }`);
      assertEquals(
        await said(browser, /^Nothing was opened/),
        "Nothing was opened: none of these is a GGUF or a safetensors file.",
      );
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
