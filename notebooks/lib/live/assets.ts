/** What the button of a page loads: the folder `live/` of the site. */
import { fixture } from "../../../base/fixture.ts";
import { readBytes } from "../../../base/file.ts";
import { receiptCode } from "../../../eval/receipt/run.ts";
import type { Page } from "../report/page.ts";
import { bundle } from "../../../build/browser.ts";
import { cellName, choicesOf, liveTexts, runOf } from "./cells.ts";
import { liveTables } from "./tables.ts";
import { storedRuns } from "./record.ts";

/** Files of the site by their paths. */
export type Assets = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

const modelFiles = [
  "llama/config.json",
  "llama/generation_config.json",
  "llama/model.safetensors",
  "llama/special_tokens_map.json",
  "llama/tokenizer.json",
  "llama/tokenizer_config.json",
  "llama-outlier/outliers.json",
];

/** The client, the worker, the model, the texts, and the cells of each page. */
export async function liveAssets(): Promise<Assets> {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const source = await receiptCode(), texts = await liveTexts(), runs = await storedRuns();
  const worker = await bundle("notebooks/lib/live/worker.ts", { script: true });
  const given = new Map([["test.txt", utf8(texts.test)], ["train.txt", utf8(texts.train)]]);
  for (const name of modelFiles) given.set(name, await readBytes(await fixture(`models/${name}`)));
  const bytes = [...given.values()].reduce((sum, { length }) => sum + length, 0);
  const files = modelFiles.map((name) => [name, `/fixtures/models/${name}`]);
  const client = await bundle("notebooks/lib/live/client.js", { standIns: false });
  const gpu = await bundle("notebooks/lib/live/gpu.ts", { script: true });
  const own = await bundle("notebooks/lib/live/own/client.js", { standIns: false });
  const ownWorker = await bundle("notebooks/lib/live/own/worker.ts", { script: true });
  const assets = new Map([
    ["live/client.js", client.code],
    ["live/worker.js", worker.code],
    ["live/gpu.js", gpu.code],
    ["live/own.js", own.code],
    ["live/own_worker.js", ownWorker.code],
  ]);
  for (const [name, content] of given) assets.set(`live/${name}`, content);
  for (const table of liveTables) {
    const cells = Object.fromEntries(
      choicesOf(table).map((choice) => {
        const { model, scheme, text, calibration } = runOf(table, choice, texts),
          name = cellName(table, choice);
        const { windows, length } = text, learnt = calibration && { ...calibration, text: undefined };
        return [name, {
          run: { model, scheme, text: { windows, length }, calibration: learnt },
          stored: runs[name],
        }];
      }),
    );
    const page = { source, files, bytes, test: "test.txt", train: "train.txt", cells };
    assets.set(`live/${table.notebook}.json`, utf8(JSON.stringify(page)));
  }
  return assets;
}

/** What the page of a notebook has within it where it is a single file. */
export function insideOf(assets: Assets, notebook: string): NonNullable<Page["inside"]> {
  const files = new Map<string, Uint8Array>();
  for (const [path, bytes] of assets) {
    const name = path.replace("live/", "");
    if (
      name !== "client.js" && (!name.endsWith(".json") || name === `${notebook}.json` || name.includes("/"))
    ) {
      files.set(name, bytes);
    }
  }
  const script = new TextDecoder().decode(assets.get("live/client.js"));
  return { script, files };
}

/** Bytes that the first press of the button on a notebook's page loads. */
export function loadedBytes(assets: Assets, notebook: string): number {
  let sum = 0;
  for (const [path, { length }] of assets) {
    if (/gpu\.js$|own/.test(path)) continue;
    if (!path.endsWith(".json") || path === `live/${notebook}.json` || path.includes("llama")) sum += length;
  }
  return sum;
}
