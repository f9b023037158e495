/** What may go wrong on a live page, in Chromium: one bit of the code, no memory, no SIMD, no workers, a reader who leaves. Each ends in a sentence. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Browser } from "../browser.ts";
import { desk, press, said, serving, withChromium } from "./reader_testing.ts";
import { siteOf } from "./site_testing.ts";

type Change = (path: string, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | void;
const end = /^(?:Equal|Not |Stopped|This browser)/;

/** Lets a reader do something on the page of `rtn`. */
async function reading(
  run: (browser: Browser, url: string) => Promise<void>,
  { flags = [], headers, change }: {
    readonly flags?: readonly string[];
    readonly headers?: Record<string, string>;
    readonly change?: Change;
  } = {},
): Promise<void> {
  await using server = serving(await siteOf(["rtn"], change), headers);
  await withChromium(async (browser) => {
    await browser.open(`${server.url}rtn.html`, desk);
    await run(browser, `${server.url}rtn.html`);
  }, flags);
}

/** The sentence, which is shown in red, and with which the page is not at an end. */
async function failure(browser: Browser): Promise<string> {
  const text = await said(browser, end);
  assert(text.endsWith("."), text);
  assertEquals(
    await browser.evaluate(
      `[document.querySelector(".live-status.live-red") !== null, document.querySelector(".live-run").disabled]`,
    ),
    [true, false],
  );
  return text;
}

/** The kernels that a worker's script holds, changed. */
function withKernels(script: Uint8Array<ArrayBuffer>, change: (wasm: Uint8Array<ArrayBuffer>) => void) {
  const text = new TextDecoder().decode(script), found = /AGFzbQEAAAA[\w+/]+=*/.exec(text);
  assert(found !== null);
  const wasm = Uint8Array.fromBase64(found[0]);
  change(wasm);
  return new TextEncoder().encode(text.replace(found[0], wasm.toBase64()));
}

/** A reader of a WebAssembly module: its sections by number. */
class Parts {
  readonly sections = new Map<number, number>();
  constructor(readonly bytes: Uint8Array, public at = 8) {
    while (this.at < bytes.length) {
      const section = bytes[this.at++], length = this.integer();
      this.sections.set(section, this.at);
      this.at += length;
    }
  }
  /** LEB128 from here on. */
  integer(): number {
    for (let value = 0, shift = 0;; shift += 7) {
      const byte = this.bytes[this.at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  }
  to(section: number): this {
    this.at = this.sections.get(section) ?? NaN;
    return this;
  }
  /** Where the code of an exported function begins and ends. */
  codeOf(name: string): [number, number] {
    let index = -1;
    for (let left = this.to(7).integer(); left > 0; left--) {
      const length = this.integer();
      const found = new TextDecoder().decode(this.bytes.subarray(this.at, this.at + length));
      this.at += length + 1;
      const number = this.integer();
      if (found === name) index = number;
    }
    // The module imports memory alone, or nothing: functions are counted from 0.
    for (let left = this.to(10).integer(), i = 0; i < left; i++) {
      const length = this.integer();
      if (i === index) return [this.at, this.at + length];
      this.at += length;
    }
    throw new Error(`no ${name}`);
  }
}

/** Flips one bit so that a product of four floats in a kernel becomes a quotient: `f32x4.mul` is FD E6 01, `f32x4.div` FD E7 01. */
function flipKernel(wasm: Uint8Array): void {
  const [from, to] = new Parts(wasm).codeOf("rmsNorm");
  const at = wasm.findIndex((byte, i) =>
    i >= from && i < to && byte === 0xfd && wasm[i + 1] === 0xe6 && wasm[i + 2] === 1
  );
  assert(at > 0);
  wasm[at + 1] ^= 1;
}

/** Flips the last bit of 0.50000001201, a coefficient of the polynomial of `exp` (`assembly/math.ts`). */
function flipConstant(wasm: Uint8Array<ArrayBuffer>): void {
  const constant = new Uint8Array(Float32Array.of(0.50000001201).buffer);
  const from = new Parts(wasm).to(11).at;
  const at = wasm.findIndex((_, i) => i >= from && constant.every((byte, k) => wasm[i + k] === byte));
  assert(at > 0);
  wasm[at] ^= 1;
}

for (
  const [name, flip] of [["a kernel", flipKernel], ["a constant of the module", flipConstant]] as const
) {
  Deno.test(`one bit of ${name} turns the cell red`, async () => {
    const change: Change = (path, bytes) => path === "live/worker.js" ? withKernels(bytes, flip) : undefined;
    await reading(async (browser) => {
      await press(browser, "run");
      const text = await failure(browser);
      assertStringIncludes(text, "Not equal: the stored run has 21.46190");
      const [proof, cross] = await browser.evaluate(`[
        document.querySelector("tr.live-red [data-proof]").textContent, document.querySelector("path.live-red") !== null]`) as [
        string,
        boolean,
      ];
      assert(proof.startsWith("differs: ") && cross, proof);
      assertEquals(await browser.evaluate(`document.querySelectorAll("tr.live-red").length`), 1);
    }, { change });
  });
}

Deno.test("no memory left", async () => {
  await reading(async (browser) => {
    await press(browser, "run");
    assertStringIncludes(await failure(browser), "Not measured: this browser has no memory left for it (");
  }, { flags: ["--js-flags=--wasm-max-mem-pages=100"] });
});

Deno.test("WebAssembly without SIMD", async () => {
  await reading(async (browser) => {
    await press(browser, "run");
    assertStringIncludes(await failure(browser), "This browser has no WebAssembly SIMD");
  }, { flags: ["--js-flags=--no-enable-sse4-1 --no-enable-ssse3 --no-enable-sse3"] });
});

Deno.test("a browser, or a server, that forbids workers", async () => {
  await reading(async (browser) => {
    await press(browser, "run");
    assertEquals(await failure(browser), "Not measured: this browser did not start a worker.");
  }, { headers: { "content-security-policy": "worker-src 'none'" } });
  await reading(async (browser, url) => {
    await browser.send("Page.addScriptToEvaluateOnNewDocument", { source: "delete globalThis.Worker" });
    await browser.open(url, desk);
    await press(browser, "run");
    assertEquals(await failure(browser), "This browser has no workers: nothing was measured.");
  });
});

Deno.test("a page that is left stops, and measures when it is returned to", async () => {
  await reading(async (browser, url) => {
    await press(browser, "run");
    await said(browser, /^Measuring/);
    await browser.evaluate(`dispatchEvent(new PageTransitionEvent("pagehide"))`);
    assertEquals(await said(browser, end), "Stopped as the page was left: nothing was measured.");
    await press(browser, "run");
    await said(browser, /^Measuring/);
    await browser.open("about:blank", desk);
    await browser.open(url, desk);
    assertEquals(await said(browser, /^$/), "");
    await press(browser, "run");
    assertStringIncludes(await said(browser, end), "Equal, bit for bit");
  });
});

Deno.test("two tabs measure side by side", async () => {
  await reading(async (browser, url) => {
    const first = await browser.tab();
    await browser.open(url, desk);
    const second = await browser.tab();
    await browser.open(url, desk);
    for (const tab of [first, second]) {
      browser.turnTo(tab);
      await press(browser, "run");
    }
    for (const tab of [first, second]) {
      browser.turnTo(tab);
      assertStringIncludes(await said(browser, end), "Equal, bit for bit");
    }
  });
});
