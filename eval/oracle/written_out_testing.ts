/** Fixture models with each key-value head written out once for every query head that shares it: the same function without groups. */
import { pathOf } from "../../base/file.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { type RawTensor, readSafetensors, writeSafetensors } from "../../model/safetensors.ts";

/** Runs something on `llama` or `llama-outlier` with 4 key-value heads instead of 2; new head `h` is old head `floor(h / 2)`. */
export async function withWrittenOut<T>(
  name: "llama" | "llama-outlier",
  run: (model: Model) => Promise<T>,
): Promise<T> {
  const source = pathOf(new URL(`../../fixtures/models/${name}/`, import.meta.url));
  const directory = await Deno.makeTempDir();
  try {
    // Both models have one tokenizer.
    const other = pathOf(new URL("../../fixtures/models/llama/", import.meta.url));
    for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
      await Deno.copyFile(other + file, `${directory}/${file}`);
    }
    const config = JSON.parse(await Deno.readTextFile(`${source}config.json`));
    const { num_attention_heads: heads, num_key_value_heads: shared } = config;
    const own = { ...config, num_key_value_heads: heads };
    await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(own));
    const tensors = [...await readSafetensors(`${source}model.safetensors`)].map(([key, tensor]) =>
      [key, /[kv]_proj/.test(key) ? written(tensor, heads / shared, shared) : tensor] as const
    );
    await writeSafetensors(`${directory}/model.safetensors`, new Map(tensors));
    using model = await loadModel(directory);
    return await run(model);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function written(
  { shape: [rows, columns], data, ...rest }: RawTensor,
  times: number,
  heads: number,
): RawTensor {
  const run = rows / heads * columns, all = new Float32Array(times * data.length);
  for (let i = 0; i < all.length; i++) {
    const head = Math.floor(Math.floor(i / run) / times);
    all[i] = Number(data[head * run + i % run]);
  }
  return { ...rest, shape: [times * rows, columns], data: all };
}
