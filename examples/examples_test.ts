/** The examples run as they stand, say what they promise, and are short. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { pathOf } from "../base/file.ts";

const here = pathOf(new URL(".", import.meta.url)), config = pathOf(new URL("../deno.json", import.meta.url));

async function run(file: string, results: string): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--config", config, file],
    env: { QUANTBOOK_CACHE: results, NO_COLOR: "1" },
  });
  const { success, stdout, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const numbers = (text: string) =>
  Array.from(text.matchAll(/-?\d+(?:\.\d+)?(?:e[-+]\d+)?/g), ([one]) => Number(one));
const results = await Deno.makeTempDir({ prefix: "quantbook-examples-" });
addEventListener("unload", () => Deno.removeSync(results, { recursive: true }));

Deno.test("examples have at most 25 lines", async () => {
  const names = Array.from(Deno.readDirSync(here), ({ name }) => name).filter((name) =>
    name.startsWith("own_")
  );
  assertEquals(names.length, 5);
  for (const name of names) {
    const lines = (await Deno.readTextFile(here + name)).trimEnd().split("\n").length;
    assert(lines <= 25, `${name} has ${lines} lines`);
  }
});

Deno.test("own model: fewer bits, a perplexity that is not much higher", async () => {
  const [bits, ...lines] = (await run(`${here}own_model.ts`, results)).trimEnd().split("\n").map(numbers);
  const [before, after] = lines[0];
  assert(bits[0] > 4 && bits[0] < 5.5 && after > before && after < 1.2 * before);
});

Deno.test("own sweep: smoothing is better than none", async () => {
  const lines = (await run(`${here}own_sweep.ts`, results)).trimEnd().split("\n");
  assertEquals(lines.length, 6);
  assert(lines[5].startsWith("best: alpha"), lines[5]);
  assertLess(numbers(lines[5])[1], 0.01);
});

Deno.test("own task data: accuracies are shares of six questions", async () => {
  const [accuracies] = (await run(`${here}own_task_data.ts`, results)).split("\n");
  const [float, three] = numbers(accuracies);
  for (const share of [float, three]) assertLess(Math.abs(6 * share - Math.round(6 * share)), 0.04);
});

Deno.test("own export: what is read back computes the same", async () => {
  const last = (await run(`${here}own_export.ts`, results)).trimEnd().split("\n").at(-1) ?? "";
  const [written, read] = numbers(last);
  assertLess(Math.abs(written - read), 1e-3 * written);
});

Deno.test("own method: a stored row is under the hash of the method's file, and one without a version is never stored", async () => {
  const folder = await Deno.makeTempDir({ prefix: "quantbook-own-method-" });
  const rows = () =>
    Array.from(Deno.readDirSync(`${folder}/results`)).filter(({ name }) => /^[^.].*\.json$/.test(name))
      .length;
  try {
    await Deno.mkdir(`${folder}/results`);
    const source = await Deno.readTextFile(`${here}own_method.ts`);
    const as = async (text: string) => {
      await Deno.writeTextFile(`${folder}/own.ts`, text);
      return await run(`${folder}/own.ts`, `${folder}/results`);
    };
    const first = await as(source);
    assertEquals([await as(source), rows()], [first, 1]);
    const edited = await as(source.replace("Math.round(", "Math.trunc("));
    assert(edited !== first);
    assertEquals(rows(), 2);
    const unnamed = source.replace("source: import.meta.url, ", "");
    assertEquals(await as(unnamed), first);
    assertEquals(await as(unnamed.replace("Math.round(", "Math.trunc(")), edited);
    assertEquals(rows(), 2);
    const versioned = (version: string) => source.replace("source: import.meta.url", `version: "${version}"`);
    await as(versioned("1"));
    await as(versioned("1").replace("Math.round(", "Math.trunc("));
    assertEquals(rows(), 3);
    await as(versioned("2"));
    assertEquals(rows(), 4);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
