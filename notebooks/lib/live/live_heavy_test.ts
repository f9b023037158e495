/** Readers of all three engines press the button on every page, stop, start again, and are shown a planted change. */
import { assert, assertEquals } from "@std/assert";
import { engines, missingOf, visit } from "../../../build/engines_testing.ts";
import { verifyReceipt } from "../../../eval/receipt/verify.ts";
import { runs, siteOf } from "./site_testing.ts";
import { liveTables } from "./tables.ts";

/** What a reader does on a page, and what the page says then; the last page posts it all. */
const drive = `addEventListener("load", async () => {
  const section = document.querySelector(".live"), status = section.querySelector(".live-status");
  const said = async (pattern) => {
    for (let i = 0; i < 3000 && !pattern.test(status.textContent); i++) await new Promise((done) => setTimeout(done, 50));
    return status.textContent;
  };
  const end = /^(?:Equal|Not |Stopped|This browser)/, press = (name) => section.querySelector(".live-" + name).click();
  const begun = performance.now(), found = [];
  press("run");
  if (new URLSearchParams(location.search).has("stop")) {
    await said(/^Measuring/);
    press("stop");
    found.push(await said(/^Stopped/));
    press("run");
  }
  found.push(await said(end));
  if (new URLSearchParams(location.search).has("receipt")) {
    press("copy");
    await said(/^(?:The|No) receipt/);
    found.push(section.querySelector(".live-receipt").textContent);
  }
  const all = JSON.parse(sessionStorage.found ?? "[]");
  all.push({ page: section.dataset.live, found, seconds: (performance.now() - begun) / 1000, red: section.querySelectorAll("tr.live-red").length });
  sessionStorage.found = JSON.stringify(all);
  const next = document.querySelector("link[rel=next]");
  if (next) location.href = next.href;
  else fetch("/result", { method: "POST", body: JSON.stringify(all) });
});`;

const driven: typeof siteOf = (names, change) => siteOf(names, change, drive);

interface Found {
  readonly page: string;
  readonly found: readonly string[];
  readonly seconds: number;
  readonly red: number;
}

for (const engine of engines) {
  Deno.test(`${engine.name}: every page measures what is stored, bit for bit`, async () => {
    const missing = await missingOf(engine);
    if (missing !== null) return console.log(`${engine.name}: skipped, ${missing} is not installed`);
    const names = liveTables.map(({ notebook }) => notebook);
    const visited = await visit(engine, `/some/path/${names[0]}.html`, await driven(names, () => {}), {
      seconds: 580,
    });
    const all = visited.result as Found[];
    for (const { page, seconds, found } of all) {
      console.log(`${engine.name}, ${page}: ${seconds.toFixed(1)} s, ${found[0].slice(0, 60)}`);
    }
    assertEquals(all.map(({ page }) => page), names);
    assertEquals(all.filter(({ found, red }) => !found[0].startsWith("Equal, bit for bit") || red > 0), []);
    const first = visited.requests.findIndex(([path]) => path.endsWith(`/${names[1]}.html`));
    const bytes = visited.requests.slice(0, first).reduce((sum, [, size]) => sum + size, 0);
    console.log(`${engine.name}: ${bytes} bytes before the first page was done`);
    assert(bytes < 7e6, `${bytes} bytes`);
  });
}

const chromium = engines[0];

Deno.test("the receipt that a page gives is confirmed by measuring again here", async () => {
  const missing = await missingOf(chromium);
  if (missing !== null) return console.log(`${chromium.name}: skipped, ${missing} is not installed`);
  const visited = await visit(
    chromium,
    "/some/path/smoothquant.html?receipt",
    await driven(["smoothquant"], () => {}),
  );
  const [{ found }] = visited.result as Found[], receipt = JSON.parse(found[1]);
  const { verdict, problems } = await verifyReceipt(receipt);
  assertEquals([verdict, problems], ["confirmed", []]);
  assertEquals(receipt.value.perplexity.value, runs["smoothquant alpha=0.5"].perplexity);
});

Deno.test("stopped and started again; one bit of the model, or of the stored run, is shown in red", async () => {
  const missing = await missingOf(chromium);
  if (missing !== null) return console.log(`${chromium.name}: skipped, ${missing} is not installed`);
  const stopped = await visit(chromium, "/some/path/rtn.html?stop", await driven(["rtn"], () => {}));
  const [{ found: [first, second] }] = stopped.result as Found[];
  assertEquals([first, second.slice(0, 18)], ["Stopped: nothing was measured.", "Equal, bit for bit"]);
  const flips: readonly (readonly [path: string, at: (bytes: Uint8Array) => number])[] = [
    ["live/llama/model.safetensors", ({ length }) => length - 100_000],
    ["live/rtn.json", (bytes) => new TextDecoder("latin1").decode(bytes).indexOf("certificate") + 20],
  ];
  for (const [flipped, at] of flips) {
    const change = (path: string, bytes: Uint8Array<ArrayBuffer>) => {
      // 0x01 turns a hexadecimal digit into its neighbour, and changes the last bit of a weight.
      if (path === flipped) bytes[at(bytes)] ^= 1;
    };
    const { result } = await visit(chromium, "/some/path/rtn.html", await driven(["rtn"], change));
    const [{ found: [text], red }] = result as Found[];
    assert(text.startsWith("Not equal") && red === 1, `${flipped}: ${text}`);
  }
});
