/** Every malformed or tricky file of fixtures/hostile gets the verdict its index demands, for the reason it names. */
import { assert, assertEquals } from "@std/assert";
import { pathOf } from "../base/file.ts";
import { QuantbookError } from "../base/error.ts";
import { perplexity } from "./metrics/perplexity.ts";
import { awq } from "../quant/methods/awq.ts";
import { gptq } from "../quant/methods/gptq.ts";
import { quantize } from "../quant/quantize.ts";
import { rtn } from "../quant/methods/rtn.ts";
import type { Scheme } from "../quant/scheme.ts";
import { SchemeError } from "../quant/error.ts";
import { smoothQuant } from "../quant/methods/smoothquant.ts";
import { renderChat } from "../model/tokenizer/chat.ts";
import { readConfig } from "../model/checkpoint/read_config.ts";
import { architectureOf } from "../model/families.ts";
import { openGguf, readGguf } from "../model/gguf/file.ts";
import { ggufTokenizer } from "../model/gguf/tokenizer.ts";
import { loadModel } from "../model/load.ts";
import { loadModel as loadPublished } from "../quant/published/load.ts";
import { type RawTensor, readSafetensors } from "../model/safetensors.ts";
import { loadTokenizer } from "../model/tokenizer/tokenizer.ts";
import { openWeights } from "../model/checkpoint/weights.ts";

interface Case {
  file: string;
  wrong: string;
  expect: "accept" | "reject" | "either";
  errorNames?: string[];
  expected?: Record<string, unknown>;
}

const folder = pathOf(new URL("../fixtures/hostile/", import.meta.url));
const cases: Case[] = JSON.parse(await Deno.readTextFile(`${folder}index.json`));

/** Only the family files know which model types exist. */
const leftToFamilies = ["config/model_type_unknown.json", "config/model_type_proto.json"];

/** Containers are read whole; models are loaded, run and quantized. */
async function load(file: string): Promise<unknown> {
  const path = folder + file;
  if (leftToFamilies.includes(file)) return architectureOf(await readConfig(path));
  if (file.startsWith("gguf/model_template")) {
    return await renderChat(ggufTokenizer(await openGguf(path)), [{ role: "user", content: "Hello" }]);
  }
  if (file.startsWith("gguf/model_")) return (await loadModel(path))[Symbol.dispose]();
  if (file.startsWith("gguf/")) return await readGguf(path);
  if (file.startsWith("model/")) return await runModel(path.slice(0, path.lastIndexOf("/")));
  if (file.startsWith("safetensors/")) return await readSafetensors(path);
  if (file === "config/quantization_config.json") return await loadBeside(path);
  if (file.startsWith("config/")) return await readConfig(path);
  if (file.startsWith("tokenizer/")) return (await loadTokenizer(path)).encode("hello hello");
  const weights = await openWeights(path);
  for (const name of weights.names()) await weights.tensor(name);
  return weights;
}

/** A configuration says how weights are quantized; beside it lie weights of its sizes that are not. */
async function loadBeside(config: string): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.copyFile(config, `${directory}/config.json`);
    const weights = pathOf(
      new URL("../fixtures/families/llama_gqa_llama3rope/model.safetensors", import.meta.url),
    );
    await Deno.copyFile(weights, `${directory}/model.safetensors`);
    (await loadPublished(directory))[Symbol.dispose]();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Loads a model, runs it and quantizes it with and without calibration; what it computes must be numbers. */
async function runModel(directory: string): Promise<void> {
  using model = await loadModel(directory);
  const ids = Int32Array.from({ length: 32 }, (_, i) => (i * 7 + 63) % 64);
  const schemes: Scheme[] = [
    { weights: rtn({ bits: 4, groupSize: 16, symmetric: false }) },
    { weights: rtn({ bits: 4 }) },
    { weights: gptq({ bits: 4, groupSize: 16 }) },
    { transforms: [smoothQuant()], weights: rtn({ bits: 8 }) },
    { weights: awq({ bits: 4, groupSize: 16, ratios: 2 }) },
  ];
  const value = (await perplexity(model, [ids])).value;
  for (const scheme of schemes) {
    using quantized = await quantize(model, scheme, { calibration: [ids] });
    const name = `model.layers.0.mlp.up_proj.weight`;
    const weight = await quantized.linear(0, "up").values();
    if (!weight.every(Number.isFinite)) {
      throw new SchemeError("values", `${name} is not finite after ${JSON.stringify(scheme)}`);
    }
    const found = (await perplexity(quantized, [ids])).value;
    if (Number.isNaN(found)) {
      throw new SchemeError(
        "values",
        `${name}: perplexity is NaN, ${value} before ${JSON.stringify(scheme)}`,
      );
    }
  }
}

for (const { file, wrong, expect, errorNames = [] } of cases) {
  Deno.test(`${expect}: ${file} (${wrong})`, async () => {
    const start = performance.now();
    let error: unknown;
    try {
      await load(file);
    } catch (caught) {
      error = caught;
    }
    // Reading is bounded; models are also run and quantized here, and templates have a limit of their own once they run.
    const bounded = !/^(model\/|gguf\/model_)/.test(file);
    assert(!bounded || performance.now() - start < 2000, "it took over 2 seconds");
    assert(!("polluted" in {}), "Object.prototype was changed");
    if (error === undefined) {
      assert(expect !== "reject", "the file was accepted");
      return;
    }
    assert(error instanceof QuantbookError, `not a typed error: ${error}`);
    assert(expect !== "accept", `the file was refused: ${error.message}`);
    for (const name of errorNames) {
      assert(
        error.message.toLowerCase().includes(name.toLowerCase()),
        `"${name}" is not in: ${error.message}`,
      );
    }
  });
}

Deno.test("the cases cover all readers", () => {
  const groups = Map.groupBy(cases, ({ file }) => file.slice(0, file.indexOf("/")));
  assertEquals(groups.keys().toArray().sort(), [
    "config",
    "gguf",
    "model",
    "safetensors",
    "sharded",
    "tokenizer",
  ]);
  assert(cases.length > 400);
});

Deno.test("accepted safetensors files have the values that the index gives", async () => {
  let compared = 0;
  for (const { file, expected } of cases) {
    if (!file.startsWith("safetensors/") || expected === undefined || "names" in expected) continue;
    const tensors = await readSafetensors(folder + file);
    assertEquals([...tensors.keys()].sort(), Object.keys(expected).sort(), file);
    for (const [name, values] of Object.entries(expected)) {
      const tensor: RawTensor | undefined = tensors.get(name);
      assertEquals(Array.from(tensor?.data ?? [], Number), [values].flat(9), `${file} ${name}`);
      compared++;
    }
  }
  assert(compared >= 8, `${compared} tensors`);
});

Deno.test("accepted GGUF files have the values that the index gives", async () => {
  let compared = 0;
  for (const { file, expected } of cases) {
    if (!file.startsWith("gguf/") || expected === undefined) continue;
    const { metadata } = await openGguf(folder + file);
    const tensors = await readGguf(folder + file);
    for (const [name, value] of Object.entries(expected)) {
      if (metadata.has(name)) assertEquals(String(metadata.get(name)), value, `${file} ${name}`);
      else {
        const values = Array.isArray(value) ? value : (value as { values: number[] }).values;
        assertEquals(Array.from(tensors.get(name)?.data ?? []), values, `${file} ${name}`);
      }
      compared++;
    }
  }
  assert(compared >= 8, `${compared} values`);
});

Deno.test("names of Object.prototype are ordinary tensor names", async () => {
  const tensors = await readSafetensors(`${folder}safetensors/ok_name_proto.safetensors`);
  assertEquals([...tensors.keys()].sort(), ["__proto__", "constructor", "hasOwnProperty", "toString"]);
});

Deno.test("a tokenizer whose pattern takes exponential time is refused or ends", async () => {
  const start = performance.now();
  const path = `${folder}tokenizer/regex_catastrophic.json`;
  await loadTokenizer(path).then((it) => it.encode(`${"a".repeat(40)}!`)).catch((error) => {
    assert(error instanceof QuantbookError, `not a typed error: ${error}`);
  });
  assert(performance.now() - start < 2000);
});
