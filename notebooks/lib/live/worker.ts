/** The worker of a page: loads model and texts once, and measures one cell a message. */
import { writeNumbers } from "../../../base/json.ts";
import { giveSourceHash } from "../../../browser/key.ts";
import { makeReceipt } from "../../../eval/receipt.ts";
import { parseScheme } from "../../../quant/scheme.ts";
import { giveFile, measureInPage, type PageMeasure, type PageRun } from "../../../browser.ts";

/** What a page asks for. */
export interface LiveQuestion {
  /** A measurement, or the receipt of one, which measures once more. */
  readonly kind: "measure" | "receipt";
  /** Hash of the sources of what measures. */
  readonly source: string;
  /** Paths to load, below the worker's own address, and where the suite looks for them. */
  readonly files: readonly (readonly [path: string, place: string])[];
  /** Bytes of all files together. */
  readonly bytes: number;
  /** The files themselves, where the page has them within. */
  readonly given?: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
  /** Addresses of the texts, below the worker's own. */
  readonly test: string;
  readonly train: string;
  readonly run: Omit<PageRun, "text" | "calibration" | "files"> & {
    readonly text: { readonly windows: number; readonly length: number };
    readonly calibration: { readonly windows: number; readonly length: number };
  };
}

/** What it hears. */
export type LiveAnswer =
  | { readonly kind: "progress"; readonly what: string; readonly share: number }
  | { readonly kind: "measured"; readonly measured: PageMeasure; readonly seconds: number }
  | { readonly kind: "receipt"; readonly text: string }
  | { readonly kind: "failed"; readonly message: string };

/** The parts of a worker's scope that are used here: the project is checked with a window's. */
const scope = globalThis as unknown as {
  postMessage(answer: LiveAnswer): void;
  addEventListener(type: "message", listener: (event: MessageEvent<LiveQuestion>) => void): void;
};
const post = (answer: LiveAnswer) => scope.postMessage(answer);
let texts: { test: string; train: string } | undefined;

async function load(
  { files, bytes, given, test, train }: LiveQuestion,
): Promise<{ test: string; train: string }> {
  if (texts !== undefined) return texts;
  let loaded = 0;
  const fetched = async (path: string): Promise<Uint8Array<ArrayBuffer>> => {
    if (given !== undefined) return given[path];
    const response = await fetch(new URL(path, location.href));
    if (!response.ok || response.body === null) {
      throw new Error(`${path}: the server says ${response.status}`);
    }
    const parts: Uint8Array[] = [], reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      loaded += part.value.length;
      post({ kind: "progress", what: "loading", share: 0.2 * Math.min(1, loaded / bytes) });
    }
    return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
  };
  for (const [path, place] of files) giveFile(place, await fetched(path));
  const text = async (path: string) => new TextDecoder().decode(await fetched(path));
  texts = { test: await text(test), train: await text(train) };
  // Where `corpus` looks for the whole texts, whose windows are those of their beginnings.
  giveFile("/fixtures/corpora/sotu.test.txt", new TextEncoder().encode(texts.test));
  giveFile("/fixtures/corpora/sotu.train.txt", new TextEncoder().encode(texts.train));
  return texts;
}

scope.addEventListener("message", async ({ data }) => {
  try {
    const given = await load(data), start = performance.now(), { run } = data;
    if (data.kind === "receipt") {
      giveSourceHash(data.source);
      const receipt = await makeReceipt({
        model: run.model,
        scheme: parseScheme(run.scheme),
        text: { name: "sotu", split: "test", ...run.text },
        calibration: { name: "sotu", split: "train", ...run.calibration },
      });
      return post({ kind: "receipt", text: writeNumbers(receipt) });
    }
    const measured = await measureInPage({
      ...run,
      text: { ...run.text, text: given.test },
      calibration: { ...run.calibration, text: given.train },
      onProgress: (what, share) => post({ kind: "progress", what, share: 0.2 + 0.8 * share }),
    });
    post({ kind: "measured", measured, seconds: (performance.now() - start) / 1000 });
  } catch (error) {
    post({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
});
