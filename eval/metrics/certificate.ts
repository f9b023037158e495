/** Perplexity with a certificate: one hash over all that a run computed, to compare machines, engines and threads bit by bit. */
import { type Hasher, sha256 } from "../../base/hash.ts";
import { layerLinears } from "../../model/architecture.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import type { Model } from "../../model/model.ts";
import { requireModel } from "../../model/model.ts";
import { requireWindows, type TokenWindows } from "../windows.ts";
import { negativeLogLikelihood, type Perplexity, perplexityOf } from "./perplexity.ts";

/** What {@linkcode certify} measured. */
export interface Certified extends Perplexity {
  /**
   * SHA-256 in hexadecimal of the model's hash (its files, scheme and calibration text), of the stored form of every quantized weight, codes
   * first, and then of all logits `[tokens, vocabulary]` of every window, float32 in little-endian order. Devices `gpu` and `native` give others than `cpu`: their sums have another order.
   */
  readonly certificate: string;
}

/** The bytes of all arrays in a value, by the names of its fields. */
function hashArrays(value: unknown, hash: Hasher): void {
  if (ArrayBuffer.isView(value)) {
    hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else if (typeof value === "object" && value !== null) {
    for (const [, field] of Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)) hashArrays(field, hash);
  } else hash.update(new TextEncoder().encode(`${value};`));
}

/** Codes as a device would hold them, where the weight has such a form, and the values that they stand for. */
function hashWeight(name: string, stored: StoredWeight, hash: Hasher): void {
  hash.update(new TextEncoder().encode(`${name} ${stored.shape.join("x")}\n`));
  if (stored.pack !== undefined) hashArrays(stored.pack(), hash);
  hashArrays(stored.dequantize(), hash);
}

/**
 * Perplexity over windows, as {@linkcode perplexity} computes it, with its certificate: equal on any number of threads, with or without
 * shared memory, in Deno and in every browser.
 *
 * @param onWindow called when a window is done, with how many are
 * @throws {ModelError} `nan`, where logits are no numbers
 *
 * @example
 * ```ts
 * import { corpus, loadModel } from "quantbook";
 * import { certify } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * const text = await corpus("sotu", { split: "test", windows: 1, length: 32 });
 * const { certificate } = await certify(model, text);
 * assertEquals(certificate, (await certify(model, text)).certificate);
 * ```
 */
export async function certify(
  model: Model,
  windows: TokenWindows,
  onWindow: (done: number) => void = () => {},
): Promise<Certified> {
  requireModel(model);
  requireWindows(windows, model);
  const { device, architecture } = model, hash = sha256();
  // A bit of a file may vanish in rounding, and is found all the same.
  hash.update(new TextEncoder().encode(`${await model.hash()}\n`));
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role, expert } of layerLinears(architecture, layer)) {
      const { name, stored, isOriginal } = model.linear(layer, role, expert);
      if (stored !== undefined && !isOriginal) hashWeight(name, stored, hash);
    }
  }
  const { head, embedding } = model;
  if (head.stored !== undefined && !head.isOriginal) hashWeight("head", head.stored, hash);
  if (embedding.stored !== undefined && !embedding.isOriginal) {
    hashWeight("embedding", embedding.stored, hash);
  }
  const windowNll: number[] = [];
  await model.forEachLogits(windows, async (logits, index) => {
    hashArrays(await device.read(logits), hash);
    device.logSoftmax(logits, logits, windows[index].length, architecture.vocabularySize);
    windowNll.push(negativeLogLikelihood(await device.read(logits), windows[index]));
    onWindow(index + 1);
  });
  const measured = perplexityOf(windowNll, windows.map(({ length }) => length - 1));
  return { ...measured, certificate: hash.hex() };
}
