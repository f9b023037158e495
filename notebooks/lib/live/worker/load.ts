/** What workers of pages have in common: questions and answers, and files that are loaded once. */
import { giveFile, type PageMeasure, type PageRun } from "../../../../browser.ts";

/** What a page asks for. */
export interface LiveQuestion {
  /** A measurement, the receipt of one, which measures once more, or a measurement on the GPU. */
  readonly kind: "measure" | "receipt" | "gpu";
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
  /** The stored run of the cell. */
  readonly stored: Pick<PageMeasure, "perplexity">;
}

/** What it hears. */
export type LiveAnswer =
  | { readonly kind: "progress"; readonly what: string; readonly share: number }
  | { readonly kind: "measured"; readonly measured: PageMeasure; readonly seconds: number }
  | { readonly kind: "receipt"; readonly text: string }
  | { readonly kind: "gpu"; readonly text: string; readonly failed: boolean }
  | { readonly kind: "failed"; readonly message: string };

/** The parts of a worker's scope that are used here: the project is checked with a window's. */
const scope = globalThis as unknown as {
  postMessage(answer: LiveAnswer): void;
  addEventListener(type: "message", listener: (event: MessageEvent<LiveQuestion>) => void): void;
};
/** Tells the page something. */
export const post = (answer: LiveAnswer) => scope.postMessage(answer);
let texts: { test: string; train: string } | undefined;

async function textsOf(
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

/** Loads what the question names, once, and gives the run of its cell. */
export async function load(question: LiveQuestion): Promise<PageRun> {
  const { test, train } = await textsOf(question), { run } = question;
  return { ...run, text: { ...run.text, text: test }, calibration: { ...run.calibration, text: train } };
}

/** Answers questions one by one; what is thrown is a sentence, too. */
export function answer(reply: (question: LiveQuestion) => Promise<LiveAnswer>): void {
  scope.addEventListener("message", async ({ data }) => {
    try {
      post(await reply(data));
    } catch (error) {
      post({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
    }
  });
}
