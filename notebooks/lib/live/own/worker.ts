/** The worker of a reader's own model: opens files where they lie, maps their bits, and compares the model with itself requantized. */
import { giveFile } from "../../../../browser/file.ts";
import { giveSourceHash } from "../../../../browser/key.ts";
import { windowsOf } from "../../../../browser/measure.ts";
import { compare } from "../../../../eval/compare.ts";
import { cpuDevice } from "../../../../kernels/cpu/device.ts";
import { isGguf, openGguf } from "../../../../model/gguf/file.ts";
import { openSafetensors } from "../../../../model/safetensors.ts";
import { loadModel } from "../../../../quant/published/load.ts";
import type { Scheme } from "../../../../quant/scheme.ts";
import { type Sizes, sizes } from "../../../../quant/weights/sizes.ts";
import { longest, needOf, roomFor } from "./memory.ts";

/** What a page asks for. */
export type OwnQuestion =
  | { readonly kind: "open"; readonly files: readonly File[] }
  | {
    readonly kind: "compare";
    /** Those that were opened: a comparison that was stopped took its worker along. */
    readonly files: readonly File[];
    readonly scheme: Scheme;
    readonly text: string;
  };

/** A tensor of a file. */
export type TensorRow = readonly [name: string, type: string, shape: string, bytes: number];

/** What it hears; after `opened` the model waits for comparisons. */
export type OwnAnswer =
  | { readonly kind: "progress"; readonly what: string; readonly share: number }
  | {
    readonly kind: "opened";
    readonly family: string | null;
    readonly sizes: Sizes | null;
    readonly tensors: readonly TensorRow[];
    readonly notices: readonly string[];
    /** Why nothing can be compared, or null. */
    readonly refusal: string | null;
  }
  | { readonly kind: "compared"; readonly rows: readonly (readonly [what: string, value: string])[] }
  | { readonly kind: "failed"; readonly message: string };

const scope = globalThis as unknown as {
  postMessage(answer: OwnAnswer): void;
  addEventListener(type: "message", listener: (event: MessageEvent<OwnQuestion>) => void): void;
};
let opened: string | undefined;
// Results are stored under the hash of what computes them; here nothing is stored.
giveSourceHash("a page");

/** Windows that are compared, of `longest` tokens at most. */
const count = 4;

/** The tensors of the files' headers; nothing else is read. */
async function tensorsOf(paths: readonly string[]): Promise<TensorRow[]> {
  const rows: TensorRow[] = [];
  for (const path of paths) {
    if (await isGguf(path)) {
      for (const [name, { type, shape, byteLength }] of (await openGguf(path)).tensors) {
        rows.push([name, type.name, shape.join(" × "), byteLength]);
      }
    } else if (path.endsWith(".safetensors")) {
      for (const [name, { dtype, shape, byteLength }] of (await openSafetensors(path)).tensors) {
        rows.push([name, dtype, shape.join(" × "), byteLength]);
      }
    }
  }
  return rows;
}

/** The files under a path each, and what `loadModel` is asked for. */
async function specifierOf(files: readonly File[]): Promise<[specifier: string, paths: string[]]> {
  const paths = files.map((file) => `/own/${file.name}`);
  files.forEach((file, i) => giveFile(paths[i], file));
  for (const path of paths) if (await isGguf(path)) return [path, paths];
  if (!paths.some((path) => path.endsWith(".safetensors"))) {
    throw new Error("none of these is a GGUF or a safetensors file");
  }
  return ["/own", paths];
}

async function open(files: readonly File[]): Promise<OwnAnswer> {
  opened = undefined;
  const [path, paths] = await specifierOf(files), tensors = await tensorsOf(paths);
  try {
    using device = await cpuDevice();
    using model = await loadModel(path, { device });
    const found = sizes(model), { architecture: { vocabularySize, family }, notices } = model;
    const refusal = roomFor(needOf(found, vocabularySize), found.model.weights);
    if (refusal === null) opened = path;
    return { kind: "opened", family, sizes: found, tensors, notices, refusal };
  } catch (error) {
    // What cannot be run can still be looked at.
    const refusal = `${error instanceof Error ? error.message : error}`;
    return { kind: "opened", family: null, sizes: null, tensors, notices: [], refusal };
  }
}

async function compared(files: readonly File[], scheme: Scheme, text: string): Promise<OwnAnswer> {
  if (opened === undefined) await open(files);
  if (opened === undefined) throw new Error("the model cannot be compared");
  const path = opened, start = performance.now();
  using device = await cpuDevice();
  using model = await loadModel(path, { device });
  const length = Math.min(longest, model.architecture.maxPositions);
  const windows = windowsOf("text", { text, windows: count, length }, model.tokenizer);
  const { candidates: [candidate] } = await compare(path, [{ model: path, scheme, label: "requantized" }], {
    windows,
    results: null,
    noise: false,
    execution: "packed",
    device,
    onWindow: (done, total) =>
      scope.postMessage({ kind: "progress", what: `window ${done} of ${total}`, share: done / total }),
  });
  const { divergence, top1, perplexity, perplexityRatio, bitsPerWeight } = candidate;
  const shown = ({ value, interval: [low, high] }: { value: number; interval: readonly [number, number] }) =>
    `${value.toPrecision(6)} (${low.toPrecision(4)} to ${high.toPrecision(4)})`;
  return {
    kind: "compared",
    rows: [
      ["Bits per weight of linear layers", bitsPerWeight.toFixed(3)],
      ["KL divergence, nats", shown(divergence.mean)],
      ["Same most likely token, share", shown(top1)],
      ["Perplexity, requantized", shown(perplexity)],
      ["Perplexity over the file's own", shown(perplexityRatio)],
      ["Text", `${windows.length} windows of ${length} tokens`],
      ["Time", `${((performance.now() - start) / 1000).toFixed(1)} s`],
    ],
  };
}

scope.addEventListener("message", async ({ data }) => {
  try {
    scope.postMessage(
      data.kind === "open" ? await open(data.files) : await compared(data.files, data.scheme, data.text),
    );
  } catch (error) {
    scope.postMessage({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
});
