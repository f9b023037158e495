/** The second button, in Chromium on SwiftShader: the self-test, the cell within the noise of its arithmetic, and adapters that compute wrong. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { desk, press, said, serving, withChromium } from "./reader_testing.ts";
import { siteOf } from "./site_testing.ts";

const software = [
  "--enable-unsafe-webgpu",
  "--enable-features=Vulkan,WebGPU",
  "--use-webgpu-adapter=swiftshader",
];
const end = /nothing was measured|certificate\.$|^Not measured/;

/** What the second button says on a page. */
async function onGpu(
  page: string,
  { flags = software, change }: {
    readonly flags?: readonly string[];
    readonly change?: (path: string, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | void;
  },
  check: (text: string, red: boolean) => void,
): Promise<void> {
  await using server = serving(await siteOf([page], change));
  await withChromium(async (browser) => {
    await browser.open(`${server.url}${page}.html`, desk);
    await press(browser, "gpu");
    const text = await said(browser, end, 240);
    check(text, await browser.evaluate(`document.querySelector(".live-status.live-red") !== null`) === true);
    // No number of another arithmetic stands in the table of certificates.
    assertEquals(await browser.evaluate(`document.querySelectorAll("[data-here]:not(:empty)").length`), 0);
  }, flags);
}

// A GPU that is a program takes a minute and more for a cell.
const slow = Deno.env.get("QUANTBOOK_BROWSERS") !== "all";
if (slow) {
  console.log(
    "WebGPU measures no cell here: QUANTBOOK_BROWSERS=all lets SwiftShader do it, which takes minutes",
  );
}
for (const page of ["rtn", "smoothquant"]) {
  Deno.test({
    ignore: slow,
    name: `${page} on WebGPU: its operations first, then the cell, within the noise of float32`,
    fn: async () => {
      await onGpu(page, {}, (text, red) => {
        console.log(text);
        assertMatch(
          text,
          /^WebGPU, google swiftshader: perplexity 2\d\.\d+, -?\d\.\de-\d+ from the stored run's \(relative\), within /,
        );
        assertMatch(
          text,
          /Its operations came to 0\.\d\d of their bounds\. It sums in another order, so it has no certificate\.$/,
        );
        assert(!red);
      });
    },
  });
}

Deno.test("an adapter that computes wrong is told, not shown as a number", async () => {
  const change = (path: string, bytes: Uint8Array<ArrayBuffer>) => {
    if (path !== "live/gpu.js") return;
    const text = new TextDecoder().decode(bytes), wrong = text.replaceAll("inverseSqrt(", "sqrt(");
    assert(wrong !== text);
    return new TextEncoder().encode(wrong);
  };
  await onGpu("rtn", { change }, (text, red) => {
    assertMatch(
      text,
      /^WebGPU, google swiftshader computes wrong \(norm: [\d.e+]+ of its bound\): nothing was measured on it\.$/,
    );
    assert(red);
  });
});

Deno.test("a browser without an adapter says so", async () => {
  await onGpu("rtn", { flags: [] }, (text, red) => {
    assertStringIncludes(text, "This browser gives no GPU (no WebGPU adapter");
    assert(red);
  });
});
