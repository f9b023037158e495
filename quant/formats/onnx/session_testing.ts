/** Runs exported ONNX models in ONNX Runtime (`onnxruntime-web`, WebAssembly): the check that they compute what we compute. */
import type * as Ort from "npm:onnxruntime-web@1.30.0";
import type { Architecture } from "../../../model/architecture.ts";
import { argmax } from "../../../model/generate.ts";

/** An exported model in ONNX Runtime. */
export interface OnnxSession extends Disposable {
  /** Logits `[tokens, vocabulary]` of a sequence. */
  logits(ids: Int32Array): Promise<Float32Array>;
  /** The `count` most likely tokens after `ids`, one after the other, with the graph's own key-value cache. */
  generate(ids: Int32Array, count: number): Promise<Int32Array>;
}

let runtime: Promise<typeof Ort> | undefined;

/** Loads the runtime once; it replaces the global `Worker` with its own, which is put back. */
async function load(): Promise<typeof Ort> {
  const ort = await import("npm:onnxruntime-web@1.30.0");
  ort.env.wasm.numThreads = 1;
  return ort;
}

/**
 * Opens an exported model.
 *
 * @param bytes the ONNX file
 * @param architecture the model's, for the shape of the cache
 */
export async function openOnnx(bytes: Uint8Array, architecture: Architecture): Promise<OnnxSession> {
  const { layers, kvHeads, headDim, vocabularySize } = architecture;
  const ort = await (runtime ??= load());
  const { Worker } = globalThis;
  const session = await ort.InferenceSession.create(bytes).finally(() => globalThis.Worker = Worker);
  type Cache = Map<string, Ort.Tensor>;

  function emptyCache(): Cache {
    const names = Array.from({ length: layers }, (_, i) => [`${i}.key`, `${i}.value`]).flat();
    const empty = () => new ort.Tensor("float32", new Float32Array(0), [1, kvHeads, 0, headDim]);
    return new Map(names.map((name) => [name, empty()]));
  }

  async function step(
    ids: Int32Array,
    cache: Cache,
    past: number,
  ): Promise<{ logits: Float32Array; cache: Cache }> {
    const integers = (values: Iterable<number>) => BigInt64Array.from(values, BigInt);
    const positions = Array.from(ids, (_, i) => past + i);
    const total = past + ids.length;
    const feeds: Record<string, Ort.Tensor> = {
      input_ids: new ort.Tensor("int64", integers(ids), [1, ids.length]),
      attention_mask: new ort.Tensor("int64", new BigInt64Array(total).fill(1n), [1, total]),
      position_ids: new ort.Tensor("int64", integers(positions), [1, ids.length]),
    };
    for (const [name, tensor] of cache) feeds[`past_key_values.${name}`] = tensor;
    const results = await session.run(feeds);
    const present = [...cache.keys()].map((name) => [name, results[`present.${name}`]] as const);
    return { logits: results.logits.data as Float32Array, cache: new Map(present) };
  }

  return {
    logits: async (ids) => (await step(ids, emptyCache(), 0)).logits,
    async generate(ids, count) {
      const generated = new Int32Array(count);
      let cache = emptyCache(), input = ids, past = 0;
      for (let i = 0; i < count; i++) {
        const next = await step(input, cache, past);
        generated[i] = argmax(next.logits.subarray(next.logits.length - vocabularySize));
        past += input.length;
        cache = next.cache;
        input = generated.subarray(i, i + 1);
      }
      return generated;
    },
    [Symbol.dispose]() {
      session.release().catch(() => {});
    },
  };
}
