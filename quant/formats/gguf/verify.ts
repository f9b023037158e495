/** A written GGUF file, read back: it is done when it says what was meant. */
import type { Architecture } from "../../../model/architecture.ts";
import { inverseFrequencies } from "../../../model/decoder/rotary.ts";
import { architectureOf } from "../../../model/families.ts";
import { ggufCheckpoint } from "../../../model/gguf/checkpoint.ts";
import { openGguf } from "../../../model/gguf/file.ts";
import { ggufTokenizer } from "../../../model/gguf/tokenizer.ts";
import type { Model } from "../../../model/model.ts";
import { SchemeError } from "../../error.ts";
import type { PlainTensor, QuantizedLayer, TableLayer } from "../tensors.ts";

/**
 * Scales and minima are rounded to float16, each to 2^-11 of itself: together a weight moves by less than this of the largest of its
 * row. What is in the wrong place moves further.
 */
const accepted = 2 ** -9;

const texts = ["The year 1862, I'd say:\n\n  two  blanks", "naïve 日本語 12345 😀", ""];

/**
 * Compares a file with the model that it was made of: tensors, sizes, positions, tokenizer.
 *
 * @throws {SchemeError} `values` naming what differs
 */
export async function verifyGguf(
  path: string,
  model: Model,
  { quantized, plain }: {
    readonly quantized: readonly (QuantizedLayer | TableLayer)[];
    readonly plain: ReadonlyMap<string, PlainTensor>;
  },
): Promise<void> {
  const file = await openGguf(path), checkpoint = await ggufCheckpoint(file);
  const fail = (what: string): never => {
    throw new SchemeError("values", `gguf: what was written differs from the model in ${what}`);
  };
  const different = difference(architectureOf(checkpoint.config), model.architecture);
  if (different !== undefined) fail(different);
  const compare = async (name: string, values: Float32Array, width: number) => {
    const found = checkpoint.has(name) ? await checkpoint.tensor(name) : fail(`${name}, which is missing`);
    if (found.length !== values.length) fail(`the shape of ${name}`);
    for (let start = 0; start < values.length; start += width) {
      const row = values.subarray(start, start + width);
      const largest = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      if (!row.every((value, i) => Math.abs(found[start + i] - value) <= accepted * largest)) fail(name);
    }
  };
  const { embedding, head } = model.architecture;
  for (const [name, { shape, values }] of plain) {
    // Rows of padding are small and unused.
    const isTable = name === embedding || name === head;
    await compare(name, values, isTable ? values.length : shape.at(-1) ?? 1);
  }
  for (const { name, weight } of quantized) {
    await compare(`${name}.weight`, weight.dequantize(), weight.shape[1]);
  }
  if (file.metadata.get("tokenizer.ggml.model") === "none") return;
  const tokenizer = ggufTokenizer(file);
  for (const text of texts) {
    if (tokenizer.encode(text).join() !== model.tokenizer.encode(text).join()) {
      fail(`the ids of ${JSON.stringify(text)}`);
    }
  }
}

/** The first thing that two architectures compute differently. */
function difference(found: Architecture, meant: Architecture): string | undefined {
  for (const key of Object.keys({ ...found, ...meant }) as (keyof Architecture)[]) {
    if (!equal(key, found, meant)) {
      return `${key}: ${JSON.stringify(found[key])} for ${JSON.stringify(meant[key])}`;
    }
  }
  return undefined;
}

function equal(key: keyof Architecture, found: Architecture, meant: Architecture): boolean {
  // Of two families one may be the other with a window that nobody reaches.
  if (key === "family" || key === "window" || key === "windowLayers") return true;
  if (key === "norm") return close(found.norm.eps, meant.norm.eps) && found.norm.kind === meant.norm.kind;
  if (key === "positions") return positionsEqual(found.positions, meant.positions);
  return JSON.stringify(found[key]) === JSON.stringify(meant[key]);
}

function close(found: number, meant: number): boolean {
  return Math.abs(found - meant) <= 2 ** -20 * Math.abs(meant);
}

/** Rotary positions are written in more ways than one; what counts is how far they turn. */
function positionsEqual(found: Architecture["positions"], meant: Architecture["positions"]): boolean {
  if (found.kind !== "rotary" || meant.kind !== "rotary") return false;
  if (found.rotaryDim !== meant.rotaryDim || found.layout !== meant.layout) return false;
  const magnitude = ({ scaling }: typeof found) =>
    scaling !== undefined && "attentionFactor" in scaling ? scaling.attentionFactor : 1;
  const turns = [false, true].every((long) => {
    const one = inverseFrequencies(found, long), other = inverseFrequencies(meant, long);
    return one.every((value, i) => close(value, other[i]));
  });
  return turns && close(magnitude(found), magnitude(meant));
}
