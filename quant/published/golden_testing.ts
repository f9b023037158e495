/** Support of the tests of published files: checkpoints by other tools, held to what these make of them. */
import { assert, assertAlmostEquals, assertEquals, assertLess } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { sha256Hex, sha256Text } from "../../base/hash.ts";
import type { Model } from "../../model/model.ts";
import { readSafetensors } from "../../model/safetensors.ts";
import { loadModel } from "./load.ts";

const shared = Deno.env.get("QUANTBOOK_SHARED") ?? pathOf(new URL("../../../shared", import.meta.url));

/** Checkpoints by other tools, where they are. */
export const foreign = `${shared}/golden/foreign`;

/** Whether they are; says so where not. */
export const hasForeign: boolean = await Deno.stat(foreign).then(() => true, () => false);
if (!hasForeign) console.log(`published checkpoints: skipped, ${foreign} is not there (QUANTBOOK_SHARED)`);

/** What a tool makes of a weight. */
export interface GoldenWeight {
  readonly shape: readonly number[];
  readonly sha256: string;
  readonly first8: readonly number[];
  readonly sum: number;
  readonly absmax: number;
}

/** What a tool makes of a checkpoint. */
export interface Golden {
  readonly base: string;
  readonly weights: Record<string, GoldenWeight>;
  readonly weightsSha256All: string;
  readonly perplexity: number;
  readonly windowNll: readonly number[];
  readonly logits: { readonly fileRows?: readonly number[]; readonly shape: readonly [number, number] };
}

export async function goldenOf(directory: string): Promise<Golden> {
  return JSON.parse(await Deno.readTextFile(`${directory}/golden.json`));
}

/** Windows of the texts that the tools were given; of the smallest models modulo their vocabulary. */
export async function windowsOf(model: Model, base: string): Promise<Int32Array[]> {
  const file = `${shared}/golden/methods/tokens/${base.startsWith("opt") ? "opt" : "llama"}.safetensors`;
  const test = (await readSafetensors(file)).get("test");
  assert(test !== undefined);
  const length = test.shape[1], ids = Int32Array.from(test.data, Number);
  const size = base.includes("mini") ? model.architecture.vocabularySize : Infinity;
  return Array.from(
    { length: 4 },
    (_, i) => ids.slice(i * length, (i + 1) * length).map((id) => id % size),
  );
}

/** The digest of float32 values. */
export function digestOf(values: Float32Array): string {
  return sha256Hex(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

/** All quantized weights, bit for bit. */
export async function checkWeights(model: Model, golden: Golden, prefix = ""): Promise<void> {
  const { checkpoint } = model;
  const names = checkpoint.names().filter((name) => checkpoint.stored?.(name) !== undefined).sort();
  for (const [name, { shape, sha256 }] of Object.entries(golden.weights)) {
    assertEquals(checkpoint.shape(prefix + name), shape, name);
    assertEquals(digestOf(await checkpoint.tensor(prefix + name)), sha256, name);
  }
  const digests = await Promise.all(names.map(async (name) => digestOf(await checkpoint.tensor(name))));
  assertEquals(sha256Text(digests.join("")), golden.weightsSha256All);
}

/** Logits within 1e-4, and the perplexity of four windows within 1e-4 of it. */
export async function checkForward(model: Model, directory: string, golden: Golden): Promise<void> {
  const windows = await windowsOf(model, golden.base), { shape: [, width] } = golden.logits;
  const expected = [...(await readSafetensors(`${directory}/logits.safetensors`)).values()][0];
  const { fileRows = Array.from({ length: expected.data.length / width }, (_, row) => row) } = golden.logits;
  const logits = await model.logits(windows[0].slice(0, 32));
  for (const [i, row] of fileRows.entries()) {
    for (let j = 0; j < width; j++) {
      assertAlmostEquals(logits[row * width + j], Number(expected.data[i * width + j]), 1e-4, `row ${row}`);
    }
  }
  const losses: number[] = [];
  await model.forEachLogits(windows, async (buffer, index) => {
    const values = await model.device.read(buffer), ids = windows[index];
    let total = 0;
    for (let t = 0; t + 1 < ids.length; t++) {
      const row = values.subarray(t * width, (t + 1) * width), most = row.reduce((a, b) => Math.max(a, b));
      let sum = 0;
      for (const one of row) sum += Math.exp(one - most);
      total += most + Math.log(sum) - row[ids[t + 1]];
    }
    losses[index] = total / (ids.length - 1);
  });
  const perplexity = Math.exp(losses.reduce((a, b) => a + b) / losses.length);
  assertLess(Math.abs(perplexity / golden.perplexity - 1), 1e-4, `${perplexity}, ${golden.perplexity}`);
}

/** A test for each of these checkpoints: weights bit for bit, logits, perplexity. */
export function testFolder(folder: string, names: readonly string[]): void {
  for (const name of names) {
    Deno.test({
      name: `${folder}/${name}: every weight bit for bit, logits, perplexity`,
      ignore: !hasForeign,
      async fn() {
        const directory = `${foreign}/${folder}/${name}`, golden = await goldenOf(directory);
        using model = await loadModel(directory, { activations: "float" });
        await checkWeights(model, golden);
        assertEquals(model.notices, []);
        assert(model.scheme !== null);
        await checkForward(model, directory, golden);
      },
    });
  }
}
