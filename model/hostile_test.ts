/** Every malformed or tricky file of fixtures/hostile gets the verdict its index demands, for the reason it names. */
import { assert, assertEquals } from "@std/assert";
import { QuantbookError } from "../kernels/error.ts";
import { readConfig } from "./config.ts";
import { type RawTensor, readSafetensors } from "./safetensors.ts";
import { loadTokenizer } from "./tokenizer.ts";
import { openWeights } from "./weights.ts";

interface Case {
  file: string;
  wrong: string;
  expect: "accept" | "reject" | "either";
  errorNames?: string[];
  expected?: Record<string, unknown>;
}

const folder = decodeURIComponent(new URL("../fixtures/hostile/", import.meta.url).pathname);
const cases: Case[] = JSON.parse(await Deno.readTextFile(`${folder}index.json`));

/** Only the family files know which model types exist. */
const leftToFamilies = ["config/model_type_unknown.json", "config/model_type_proto.json"];

async function load(file: string): Promise<unknown> {
  const path = folder + file;
  if (file.startsWith("safetensors/")) return await readSafetensors(path);
  if (file.startsWith("config/")) return await readConfig(path);
  if (file.startsWith("tokenizer/")) return (await loadTokenizer(path)).encode("hello hello");
  const weights = await openWeights(path);
  for (const name of weights.names()) await weights.tensor(name);
  return weights;
}

for (const { file, wrong, expect, errorNames = [] } of cases) {
  if (leftToFamilies.includes(file)) continue;
  Deno.test(`${expect}: ${file} (${wrong})`, async () => {
    const start = performance.now();
    let error: unknown;
    try {
      await load(file);
    } catch (caught) {
      error = caught;
    }
    assert(performance.now() - start < 2000, "it took over 2 seconds");
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

Deno.test("the cases cover all four readers", () => {
  const groups = Map.groupBy(cases, ({ file }) => file.slice(0, file.indexOf("/")));
  assertEquals(groups.keys().toArray().sort(), ["config", "safetensors", "sharded", "tokenizer"]);
  assert(cases.length > 250);
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
