/** A fixture model with something changed, in a directory of its own: what people's files are like. */
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { type RawTensor, readSafetensors, writeSafetensors } from "../safetensors.ts";

const fixtures = new URL("../../fixtures/", import.meta.url);

/** What differs from the fixture. */
export interface Variant {
  /** Keys of config.json; `undefined` takes one away. */
  readonly config?: JsonObject;
  /** Changes the tensors in place. */
  readonly tensors?: (tensors: Map<string, RawTensor>) => void;
  /** The fixture whose tokenizer it gets (default: its own). */
  readonly tokenizer?: string;
}

/** Writes the variant of a fixture, such as `"models/llama"`; disposing of it removes it. */
export async function variantOf(
  fixture: string,
  { config = {}, tensors: change, tokenizer = fixture }: Variant,
): Promise<AsyncDisposable & { readonly directory: string }> {
  const directory = await Deno.makeTempDir();
  const from = (name: string) => new URL(`${fixture}/${name}`, fixtures);
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    await Deno.copyFile(new URL(`${tokenizer}/${name}`, fixtures), `${directory}/${name}`).catch(() => {});
  }
  const plain: unknown = JSON.parse(await Deno.readTextFile(from("config.json")));
  if (!isJsonObject(plain)) throw new TypeError(`${fixture}/config.json is no object`);
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...plain, ...config }));
  const tensors = new Map(await readSafetensors(from("model.safetensors")));
  change?.(tensors);
  await writeSafetensors(`${directory}/model.safetensors`, tensors);
  return { directory, [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }) };
}

/** The same rows and then others: zeros, or the first rows again. */
export function withRows(tensor: RawTensor, rows: number, fill: "zeros" | "again" = "zeros"): RawTensor {
  const [own, width] = tensor.shape, values = Float32Array.from(tensor.data, Number);
  const data = Float32Array.from(
    { length: rows * width },
    (_, i) => i < own * width || fill === "again" ? values[i % values.length] : 0,
  );
  return { dtype: tensor.dtype === "F16" ? "F16" : "F32", shape: [rows, width], data };
}
