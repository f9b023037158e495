/**
 * Looks at the built site as readers do: every page in Chromium, in both themes, on a phone and on a desk.
 *
 * Fails on console errors, on any request that is not for a file, on serious findings of axe-core, on pages that scroll
 * sideways or weigh too much. Run it as `deno run -A --lock=heavy.lock notebooks/lib/check_site.ts [site] [folder for pictures]`.
 */
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import axe from "npm:axe-core@4.14.1/axe.min.js" with { type: "text" };
import { Browser, type PageEvent, type Screen } from "./browser.ts";
import { ROOT } from "./notebook/files.ts";
import { objectAt, own, stringAt } from "./json.ts";

const MOST_PAGE_BYTES = 1_500_000;
const MOST_INDEX_BYTES = 300_000;

const SCREENS: readonly Screen[] = [360, 1280].flatMap((width) =>
  (["light", "dark"] as const).map((theme) => ({ width, height: width < 600 ? 740 : 800, theme }))
);

/** What is wrong with the pages of a folder; pictures of all of them go to `pictures` when it is given. */
export async function checkSite(
  folder: string,
  pictures?: string,
  screens: readonly Screen[] = SCREENS,
): Promise<string[]> {
  const findings: string[] = [];
  const files = [...Deno.readDirSync(folder)].map((entry) => entry.name).filter((name) =>
    name.endsWith(".html")
  ).sort();
  if (pictures) await Deno.mkdir(pictures, { recursive: true });
  await using browser = await Browser.start();
  for (const file of files) {
    const { size } = await Deno.stat(join(folder, file));
    const most = file === "index.html" ? MOST_INDEX_BYTES : MOST_PAGE_BYTES;
    if (size > most) findings.push(`${file}: ${size} bytes, more than ${most}`);
    for (const screen of screens) {
      const name = `${file} at ${screen.width} px, ${screen.theme}`;
      const events: PageEvent[] = [];
      const stop = browser.listen((event) => events.push(event));
      await browser.open(pathToFileURL(resolve(folder, file)).href, screen);
      findings.push(...(await inspect(browser)).map((finding) => `${name}: ${finding}`));
      stop();
      findings.push(...events.flatMap(complaint).map((finding) => `${name}: ${finding}`));
      if (pictures) {
        const picture = `${file.replace(".html", "")}-${screen.width}-${screen.theme}.png`;
        await Deno.writeFile(join(pictures, picture), await browser.screenshot(true));
      }
    }
  }
  return findings;
}

/** Layout and accessibility of the open page. */
async function inspect(browser: Browser): Promise<string[]> {
  const findings: string[] = [];
  const overflow = await browser.evaluate("document.documentElement.scrollWidth - innerWidth");
  if (typeof overflow === "number" && overflow > 0) {
    findings.push(`the page scrolls sideways by ${overflow} px`);
  }
  await browser.evaluate(`${axe}; 0`);
  const results = await browser.evaluate(
    `axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, help, nodes }) => id + ": " + help + ": " + nodes.slice(0, 3).map(({ html, failureSummary }) =>
        html.slice(0, 140) + " " + failureSummary.slice(0, 240)).join(" | ") + " (" + nodes.length + ")"))`,
  );
  if (Array.isArray(results)) findings.push(...results.map(String));
  return findings;
}

/** What an event of the page complains about, if it does. */
function complaint({ method, params }: PageEvent): string[] {
  if (method === "Log.entryAdded") {
    const entry = objectAt(params, "entry");
    return entry.level === "error" || entry.level === "warning" ? [`log: ${stringAt(entry, "text")}`] : [];
  }
  if (method === "Runtime.exceptionThrown") {
    return [
      `exception: ${stringAt(objectAt(objectAt(params, "exceptionDetails"), "exception"), "description")}`,
    ];
  }
  if (method === "Runtime.consoleAPICalled" && (params.type === "error" || params.type === "warning")) {
    return [`console: ${JSON.stringify(params.args)}`];
  }
  if (method === "Network.requestWillBeSent") {
    const url = stringAt(own(params, "request"), "url");
    return url.startsWith("file:") || url.startsWith("data:") ? [] : [`request: ${url}`];
  }
  return [];
}

if (import.meta.main) {
  const [folder = join(ROOT, "site"), pictures] = Deno.args;
  const findings = await checkSite(folder, pictures);
  for (const finding of findings) console.error(finding);
  if (findings.length > 0) Deno.exit(1);
  console.log("The site is clean: no error, no request, no serious accessibility finding");
}
