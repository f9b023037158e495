/** What `browser_heavy_test.ts` lets every engine compute: bundled it runs in pages, as it is in Deno. */
import { cos, exp, log, log10, log1p, log2, pow, sin, tanh } from "../base/elementary.ts";
import { sha256Hex } from "../base/hash.ts";
import { PythonRandom } from "../base/random.ts";
import { measureInPage, type PageRun } from "../browser.ts";

/** Hash of the bits of elementary functions on many inputs, and of the powers that are left to engines. */
export function elementaryHash(): string {
  const random = new PythonRandom(1), found: number[] = [];
  for (let i = 0; i < 4000; i++) {
    const x = (random.random() - 0.5) * 10 ** (i % 9 - 2), y = random.random() * 4;
    found.push(
      exp(x % 700),
      log(Math.abs(x)),
      log2(Math.abs(x)),
      log10(Math.abs(x)),
      log1p(y),
      pow(y, x % 90),
    );
    found.push(sin(x), cos(x), tanh(x), x ** 2, 2 ** (i % 2098 - 1074), Math.sqrt(y));
  }
  return sha256Hex(new Uint8Array(Float64Array.from(found).buffer));
}

const text = `The people of the United States have ordained and established a Constitution. ${
  "It is the duty of all to see that its rule is kept, and that no part of it is left to chance; so much is owed to those who come after us. "
    .repeat(12)
}`;

/**
 * One run a kind of arithmetic: codes, factors of calibration, float64 factorizations, powers of grid search, caches, int8; and files that
 * others have quantized, by their name in a folder.
 */
export const runs: Readonly<Record<string, Pick<PageRun, "scheme"> & { readonly model?: string }>> = {
  float: { scheme: {} },
  rtn: { scheme: { weights: { method: "rtn", bits: 4, groupSize: 32 } } },
  smoothQuant: {
    scheme: {
      transforms: [{ method: "smoothQuant", alpha: 0.5 }],
      weights: { method: "rtn", bits: 8 },
      activations: { method: "rtn", bits: 8, granularity: "token" },
    },
  },
  gptq: { scheme: { weights: { method: "gptq", bits: 3, groupSize: 64 } } },
  kivi: { scheme: { kv: { method: "kivi", keyBits: 2, valueBits: 2 } } },
  llmInt8: { scheme: { linears: { method: "llmInt8" } } },
  awqFile: { model: "AWQ-g64", scheme: {} },
  nf4File: { model: "NF4-double", scheme: { weights: { method: "rtn", bits: 8 } } },
  ggufFile: { model: "llama2l-Q4_K_M.gguf", scheme: {} },
};

/** Perplexity and certificate of one of {@linkcode runs}; files of others are under `published`. */
export async function certified(
  name: string,
  published: string,
  files: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {},
): Promise<{ readonly perplexity: number; readonly certificate: string }> {
  const part = { text, windows: 2, length: 128 }, { model, scheme } = runs[name];
  const { perplexity, certificate } = await measureInPage({
    files,
    model: model === undefined ? "fixture:llama-outlier" : `${published}/${model}`,
    text: part,
    calibration: part,
    scheme,
  });
  return { perplexity, certificate };
}
