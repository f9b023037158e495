/** The 16-wide models on which the original code of methods that learn was run step by step (`fixtures/expected/methods2/learned`). */
import { assertEquals, assertLess } from "@std/assert";
import tinyModels from "../../fixtures/expected/methods2/learned/tiny-models.json" with { type: "json" };
import { pathOf } from "../../base/file.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { type RawTensor, writeSafetensors } from "../../model/safetensors.ts";
import { learnedName } from "./schemes/learned.ts";

/** A model by its name in the file. */
export type TinyName = keyof typeof tinyModels;

/** Numbers by a name of the original's, nested as its tensors are. */
export type Stored = Readonly<Record<string, unknown>>;

/** A whole run of the original code. */
export interface TinyRun {
  readonly model: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Layer by layer, before each step. */
  readonly allStepLosses: readonly number[];
  readonly allNorms: readonly number[];
  /** Two steps of the first layer; a second one without `before` goes on from the first. */
  readonly steps: readonly {
    readonly step: number;
    readonly loss: number;
    readonly before?: Stored;
    readonly grad: Stored;
    readonly after: Stored;
  }[];
  readonly quantLogits0: unknown;
}

const numbers = (nested: unknown): Float32Array<ArrayBuffer> =>
  Float32Array.from([nested].flat(4) as number[]);

/** A tiny model and its windows of tokens. */
export async function withTiny<T>(
  name: TinyName,
  run: (model: Model, windows: readonly Int32Array[]) => Promise<T>,
): Promise<T> {
  const { config, tokens, weights } = tinyModels[name], family = name.startsWith("llama") ? "llama" : "opt";
  const source = pathOf(new URL(`../../fixtures/models/${family}/`, import.meta.url));
  const directory = await Deno.makeTempDir();
  try {
    for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
      await Deno.copyFile(source + file, `${directory}/${file}`);
    }
    const own = { ...JSON.parse(await Deno.readTextFile(`${source}config.json`)), ...config };
    const whole = family === "llama" ? own : { ...own, max_position_embeddings: 64, word_embed_proj_dim: 16 };
    delete whole.head_dim;
    await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(whole));
    const tensors = Object.entries(weights).map(([key, value]: [string, unknown]): [string, RawTensor] => {
      const data = numbers(value), rows = (value as unknown[]).length;
      return [key, { dtype: "F32", shape: data.length === rows ? [rows] : [rows, data.length / rows], data }];
    });
    await writeSafetensors(`${directory}/model.safetensors`, new Map(tensors));
    using model = await loadModel(directory);
    return await run(model, tokens.map((ids) => Int32Array.from(ids)));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Tensors of a run by the names that they have here; what has none here is left out. */
export function named(
  stored: Stored,
  nameOf: (original: string) => string | null = learnedName,
): Map<string, Float32Array> {
  const found = new Map<string, Float32Array>();
  for (const [original, values] of Object.entries(stored)) {
    const own = nameOf(original);
    if (own !== null) found.set(own, numbers(values));
  }
  return found;
}

/** Whether numbers agree within so much of their norm. */
export function assertWithin(
  found: ArrayLike<number>,
  nested: unknown,
  share: number,
  what: string,
): void {
  const expected = numbers(nested);
  assertEquals(found.length, expected.length, what);
  let error = 0, size = 0;
  for (let i = 0; i < expected.length; i++) {
    error += (found[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  assertLess(Math.sqrt(error), share * Math.sqrt(size) + 1e-12, what);
}
