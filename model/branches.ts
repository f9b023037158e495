/** Several continuations of one context in a single pass: the weights are read once for all of them. */
import type { KeyValueCache } from "./decoder/cache.ts";
import { runLayer } from "./decoder.ts";
import { requireNumbers } from "./decoder/numbers.ts";
import type { Model } from "./model.ts";

/**
 * Logits `[tokens, vocabulary]` of each of several sequences that go on where `cache` ends; the cache keeps none of them.
 * They lie one after the other without padding, and only attention treats them apart, so that each gets the bits that it
 * gets alone. Needs a cache that writes behind its end and is told by `advance` what to keep, as `DenseCache` does.
 */
export async function branchLogits(
  model: Model,
  sequences: readonly Int32Array[],
  cache: KeyValueCache,
): Promise<Float32Array[]> {
  const { device, architecture: { layers, hiddenSize, vocabularySize } } = model;
  const lengths = sequences.map(({ length }) => length);
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  using hidden = device.allocate(rows * hiddenSize);
  let first = 0;
  for (const ids of sequences) {
    using part = await model.embed(ids, cache.length);
    device.copy(part, 0, hidden, first * hiddenSize, part.length);
    first += ids.length;
  }
  const one = await model.context([], cache, cache.length + Math.max(...lengths));
  const context = { ...one, sequences: lengths };
  for (let index = 0; index < layers; index++) {
    await runLayer(context, await model.loadLayer(index), hidden, rows);
    model.leaveLayer(index);
  }
  using logits = await model.project(hidden, rows);
  const values = await device.read(logits, 0, rows * vocabularySize);
  requireNumbers(values, vocabularySize, (row) => `${model.name}: the logits of row ${row} of ${rows}`);
  let start = 0;
  return lengths.map((length) => values.subarray(start, start += length * vocabularySize));
}
