import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { checkNotebooks } from "./check.ts";
import { NOTEBOOKS } from "./notebook/files.ts";
import { notebookOf } from "./notebook/notebook_testing.ts";
import { formatNotebook } from "./notebook/notebook.ts";

/** Runs `test` in a folder of an odd name within the repository, so that cells see its import map. */
async function inFolder(
  notebooks: Readonly<Record<string, string>>,
  test: (paths: string[]) => Promise<void>,
): Promise<void> {
  const parent = await Deno.makeTempDir({ dir: NOTEBOOKS, prefix: ".check-test-" });
  const folder = join(parent, Deno.build.os === "windows" ? "é #%41" : "é #%41?");
  try {
    await Deno.mkdir(folder);
    const paths: string[] = [];
    for (const [name, text] of Object.entries(notebooks)) {
      paths.push(join(folder, name));
      await Deno.writeTextFile(join(folder, name), text);
    }
    await test(paths);
    const left = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
    assertEquals(left, Object.keys(notebooks).sort());
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

const good = formatNotebook(notebookOf(
  'import { show, table } from "quantbook/display";',
  "const rows = [{ bits: 4, ppl: { value: 1, standardError: 0.1 } }];",
  'await show(table(rows, { columns: ["bits", { key: "ppl", best: "min" }] }));',
));

Deno.test("clean cells pass", async () => {
  await inFolder({ "good.ipynb": good }, async (paths) => {
    assertEquals(await checkNotebooks(paths), { ok: true, text: "" });
  });
});

Deno.test("a type error is placed in its notebook, cell, line and column; nothing is left behind", async () => {
  const bad = formatNotebook(notebookOf(
    "const a: number = 3;\nawait Promise.resolve(a);",
    " \n",
    '\nimport { table } from "quantbook/display";\nexport const b: string = a;\nexport const c = table([{ x: 1 }], { columns: ["y"] });',
  ));
  await inFolder({ "good.ipynb": good, "bad.ipynb": bad }, async (paths) => {
    const { ok, text } = await checkNotebooks(paths);
    assertEquals(ok, false);
    assertStringIncludes(text, "bad.ipynb cell [2] line 3:14");
    assertStringIncludes(text, "bad.ipynb cell [2] line 4:");
    assertEquals(text.includes("good.ipynb"), false);
    assertEquals(text.includes(".check."), false);
  });
});

Deno.test("lint findings and unreadable notebooks are reported, each in its place", async () => {
  const lint = formatNotebook(
    notebookOf("const ok = 1;\nconsole.log(ok);", "const cast = 3 as any;\nconsole.log(cast);"),
  );
  await inFolder({ "lint.ipynb": lint, "broken.ipynb": "{" }, async (paths) => {
    const { ok, text } = await checkNotebooks(paths);
    assertEquals(ok, false);
    assertStringIncludes(text, "lint.ipynb cell [2] line 1:");
    assertStringIncludes(text, "no-explicit-any");
    assertStringIncludes(text, "broken.ipynb: it is not JSON");
  });
});
