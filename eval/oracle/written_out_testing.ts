/** Fixture models with each key-value head written out once for every query head that shares it: the same function without groups. */
import { pathOf } from "../../base/file.ts";
import { loadModel } from "../../model/load.ts";
import { linearRoles, tensorName } from "../../model/architecture.ts";
import type { Table } from "../../model/decoder/parameters.ts";
import type { Model } from "../../model/model.ts";
import { type RawTensor, readSafetensors, writeSafetensors } from "../../model/safetensors.ts";

/** Runs something on `llama` or `llama-outlier` with 4 key-value heads instead of 2; new head `h` is old head `floor(h / 2)`. */
export async function withWrittenOut<T>(
  name: "llama" | "llama-outlier",
  run: (model: Model) => Promise<T>,
): Promise<T> {
  const source = pathOf(new URL("../../fixtures/models/llama/", import.meta.url));
  const directory = await Deno.makeTempDir();
  try {
    for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
      await Deno.copyFile(source + file, `${directory}/${file}`);
    }
    const config = JSON.parse(await Deno.readTextFile(`${source}config.json`));
    const { num_attention_heads: heads, num_key_value_heads: shared } = config;
    const own = { ...config, num_key_value_heads: heads };
    await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(own));
    const tensors = new Map<string, RawTensor>();
    using plain = await loadModel(`fixture:${name}`);
    const values = new Map(tensorsOf(plain).map((one) => [one.name, one.values]));
    for (const [key, tensor] of await readSafetensors(`${source}model.safetensors`)) {
      const data = Float32Array.from(await values.get(key)?.() ?? Array.from(tensor.data, Number));
      const whole: RawTensor = { dtype: "F32", shape: tensor.shape, data };
      tensors.set(key, /[kv]_proj/.test(key) ? written(whole, heads / shared, shared) : whole);
    }
    await writeSafetensors(`${directory}/model.safetensors`, tensors);
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

/** Weights and norms of the layers, and the ends, as the fixture has them: its outliers are planted when it is loaded. */
function tensorsOf(model: Model): Pick<Table, "name" | "values">[] {
  const { architecture } = model, { attentionNorm, mlpNorm, finalNorm, layers } = architecture;
  const found: Pick<Table, "name" | "values">[] = [model.embedding, model.head];
  if (finalNorm !== null) found.push(model.vector(finalNorm.weight));
  for (let layer = 0; layer < layers; layer++) {
    for (const role of linearRoles(architecture)) found.push(model.linear(layer, role));
    for (const { weight } of [attentionNorm, mlpNorm]) found.push(model.vector(tensorName(weight, layer)));
  }
  return found;
}
