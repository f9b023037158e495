/** A reader in Chromium: opens a page, presses its buttons, and waits for what it says. */
import type { Served } from "../../../build/engines_testing.ts";
import { Browser, CHROMIUM, type PageEvent, type Screen } from "../browser.ts";
import { objectAt, own, stringAt } from "../json.ts";

/** A desk. */
export const desk: Screen = { width: 1280, height: 800, theme: "light" };

/** Runs a test with a browser, or says why it is skipped. */
export async function withChromium(
  run: (browser: Browser) => Promise<void>,
  flags: readonly string[] = [],
): Promise<void> {
  if (!await Deno.stat(CHROMIUM).catch(() => null)) {
    return console.log(`skipped: ${CHROMIUM} is not installed`);
  }
  await using browser = await Browser.start(CHROMIUM, flags);
  await run(browser);
}

/** A server of these files on this machine, and its address. */
export function serving(
  serve: (path: string) => Served | null,
  headers: Readonly<Record<string, string>> = {},
): AsyncDisposable & { readonly url: string } {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const found = serve(request.url.replace(/^https?:\/\/[^/]+|[?#].*$/g, ""));
    if (found === null) return new Response("", { status: 404 });
    return new Response(found[1], { headers: { "content-type": found[0], ...headers } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/some/path/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Presses a button of the section. */
export async function press(browser: Browser, button: string): Promise<void> {
  await browser.evaluate(`document.querySelector(".live .live-${button}").click()`);
}

/** What the page says once it matches, or at last. */
export async function said(browser: Browser, pattern: RegExp, seconds = 60): Promise<string> {
  let text = "";
  for (let i = 0; i < 20 * seconds; i++) {
    text = String(await browser.evaluate(`document.querySelector(".live .live-status").textContent`));
    if (pattern.test(text)) break;
    await new Promise((done) => setTimeout(done, 50));
  }
  return text;
}

/** Addresses that the page asked for while `run` ran, and errors that it logged. */
export async function heard(
  browser: Browser,
  run: () => Promise<void>,
): Promise<{ requests: string[]; errors: string[] }> {
  const events: PageEvent[] = [], stop = browser.listen((event) => events.push(event));
  await run().finally(stop);
  const of = (method: string) =>
    events.filter((event) => event.method === method).map(({ params }) => params);
  return {
    requests: of("Network.requestWillBeSent").map((params) => stringAt(own(params, "request"), "url")),
    errors: [
      ...of("Log.entryAdded").map((params) => stringAt(objectAt(params, "entry"), "text")),
      ...of("Runtime.exceptionThrown").map((params) => JSON.stringify(params)),
    ],
  };
}
