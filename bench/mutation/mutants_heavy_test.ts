/** The mutants of a file, the tests that they meet, and a run on a project with a hole in its tests that is killed and goes on. */
import { assert, assertEquals } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { type Mutant, mutantsOf, mutated } from "./mutants.ts";
import { copyOf, Mutator, plantedIn, sampleOf } from "./run.ts";
import { testsOf } from "./tests.ts";

/** What each mutant puts in place of what. */
function changes(source: string): string[] {
  return mutantsOf("a.ts", source).map(({ kind, start, end, text }: Mutant) =>
    `${kind} ${source.slice(start, end)} -> ${text}`
  );
}

Deno.test("operators, bounds, constants, branches and functions are changed, one place a mutant", () => {
  assertEquals(
    changes("const a = b * c - 1;"),
    ["operator * -> /", "operator - -> +", "constant 1 -> 2"],
  );
  assertEquals(changes("if (a < b && !c) d();"), [
    "branch a < b && !c -> !(a < b && !c)",
    "bound < -> <=",
    "branch && -> ||",
    "operator !c -> c",
  ]);
  assertEquals(
    changes("const x = ready ? 0.5 : Math.max(p, q);"),
    [
      "constant 0.5 -> 1",
      "branch 0.5 : Math.max(p, q) -> Math.max(p, q) : 0.5",
      "call max -> min",
    ],
  );
  assertEquals(changes("let s = true; s = -t >= 2;"), [
    "constant true -> false",
    "operator -t -> t",
    "bound >= -> >",
    "constant 2 -> 3",
  ]);
});

Deno.test("types, imports, texts, messages and the step of a loop are left alone", () => {
  assertEquals(changes('import { a } from "./b-1.ts"; type T = 1 | 2; interface I { readonly n: 3 }'), []);
  assertEquals(changes("throw new TypeError(`n is ${n + 1}`);"), []);
  assertEquals(changes('const text = "a" + b;'), []);
  assertEquals(changes("for (let i = 0; i < n; i += 2) f(i);"), ["constant 0 -> 1", "bound < -> <="]);
});

Deno.test("a mutant changes its own place alone", () => {
  const source = "export const twice = (x: number) => x * 2;\n";
  assertEquals(mutantsOf("a.ts", source).map((one) => mutated(source, one)), [
    "export const twice = (x: number) => x / 2;\n",
    "export const twice = (x: number) => x * 3;\n",
  ]);
});

Deno.test("a mutant meets the tests beside its file, or the nearest of its floor", () => {
  const imports = new Map([
    ["quant/methods/a.ts", ["base/x.ts"]],
    ["quant/methods/b.ts", ["quant/methods/a.ts"]],
    ["quant/methods/a_test.ts", ["quant/methods/a.ts"]],
    ["quant/methods/b_test.ts", ["quant/methods/b.ts"]],
    ["quant/grids/c.ts", []],
    ["quant/weights/d_test.ts", ["quant/grids/c.ts"]],
    ["quant/weights/e_heavy_test.ts", ["quant/grids/c.ts"]],
    ["eval/oracle/a_test.ts", ["quant/methods/a.ts"]],
  ]);
  assertEquals(testsOf("quant/methods/a.ts", imports, 9), [
    "quant/methods/a_test.ts",
    "eval/oracle/a_test.ts",
    "quant/methods/b_test.ts",
  ]);
  assertEquals(testsOf("quant/grids/c.ts", imports), ["quant/weights/d_test.ts"]);
});

Deno.test("a sample is the same for its seed, and a larger one goes on with it", () => {
  const all = Array.from({ length: 50 }, (_, i) => i);
  assertEquals(sampleOf(all, 9, 4).slice(0, 5), sampleOf(all, 5, 4));
  assert(sampleOf(all, 5, 4).join() !== sampleOf(all, 5, 5).join());
});

Deno.test("what no test sees survives, what a test sees dies, and what never ends is ended", async () => {
  const root = await Deno.makeTempDir();
  try {
    const files = {
      "quant/sum.ts":
        "export const sum = (a: number, b: number) => a + b;\nexport const unseen = (a: number) => a * 5;\n" +
        "export function half(n: number): number {\n  while (n > 8) n -= 4;\n  return n;\n}\n",
      "quant/sum_test.ts": 'import { half, sum } from "./sum.ts";\nDeno.test("sum", () => {\n' +
        '  if (sum(1, 2) !== 3 || half(9) !== 5) throw new Error("wrong");\n});\n',
      "fixtures/a.txt": "a",
      "deno.json": "{}",
    };
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, text);
    }
    const names = Object.keys(files), all = await plantedIn(root, names, ["quant/"]);
    await using copy = await copyOf(root, names);
    const mutator = await Mutator.open(copy.root, names, () => {}, 3);
    const fates: string[] = [];
    for (const one of all) fates.push(`${one.line} ${one.text} ${(await mutator.run(one))?.fate}`);
    assertEquals(fates, [
      "1 - died",
      "2 / survived",
      "2 6 survived",
      "4 >= survived",
      "4 9 died",
      "4 += timed out",
      "4 5 died",
    ]);
    // The project itself is as it was, and so is the copy.
    for (const at of [root, copy.root]) {
      assertEquals(await Deno.readTextFile(`${at}/quant/sum.ts`), files["quant/sum.ts"]);
    }
    // Another test is another stamp: what became of a mutant is looked at again.
    const [first] = all, before = await mutator.stamp(first);
    await Deno.writeTextFile(`${copy.root}/quant/sum_test.ts`, `${files["quant/sum_test.ts"]}// more\n`);
    assert(await mutator.stamp(first) !== before);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("every file of the floors that are mutated has tests", async () => {
  const { importsOf } = await import("./tests.ts"), { projectFiles } = await import("./run.ts");
  const root = pathOf(new URL("../../", import.meta.url)), files = await projectFiles(root);
  const imports = await importsOf(root, files.filter((path) => path.endsWith(".ts")));
  const all = await plantedIn(root, files, ["quant/", "model/", "eval/metrics/", "eval/statistics.ts"]);
  const without = [...new Set(all.map(({ path }) => path))].filter((path) =>
    testsOf(path, imports).length === 0
  );
  assertEquals(without, []);
});
