/** Live pages of a site, served to browsers. */
import type { Served } from "../../../build/engines_testing.ts";
import { renderPage } from "../report/page.ts";
import { type Assets, liveAssets, loadedBytes } from "./assets.ts";
import { storedRuns } from "./record.ts";
import { ownPage } from "./own/page.ts";
import { liveSection } from "./section.ts";
import { liveTables } from "./tables.ts";

const types: Readonly<Record<string, string>> = {
  js: "text/javascript",
  json: "application/json",
  html: "text/html",
};

const assets = liveAssets();

/** What is stored. */
export const runs: Awaited<ReturnType<typeof storedRuns>> = await storedRuns();

/**
 * A site under a sub-path with these pages alone, one after the other; `change` may alter what is served, and `drive` is a script in every
 * page.
 */
export async function siteOf(
  names: readonly string[],
  change: (path: string, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | void = () => {},
  drive = "",
): Promise<(path: string) => Served | null> {
  const held: Assets = await assets;
  return (path: string): Served | null => {
    const name = path.replace("/some/path/", "");
    if (name === ownPage.file) return ["text/html", renderPage(ownPage, "")];
    if (name === "drive.js") return ["text/javascript", drive];
    const at = names.indexOf(name.replace(".html", "")),
      table = liveTables.find(({ notebook }) => notebook === names[at]);
    if (table !== undefined) {
      const body = liveSection(table, runs, loadedBytes(held, table.notebook));
      const html = renderPage({
        file: name,
        title: name,
        description: "",
        body,
        kind: "notebook",
        live: true,
      }, "");
      const next = names[at + 1] === undefined ? "" : `<link rel="next" href="${names[at + 1]}.html">`;
      return ["text/html", html.replace("</head>", `${next}<script src="drive.js"></script></head>`)];
    }
    const bytes = held.get(name)?.slice();
    if (bytes === undefined) return null;
    const changed = change(name, bytes) ?? bytes;
    return [types[name.split(".").at(-1) ?? ""] ?? "application/octet-stream", changed];
  };
}
