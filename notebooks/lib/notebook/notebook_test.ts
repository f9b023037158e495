import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "node:path";
import { readAbout } from "./about.ts";
import { NOTEBOOKS, readNotebook, ROOT } from "./files.ts";
import { notebookOf } from "./notebook_testing.ts";
import { formatNotebook, NotebookError, parseNotebook } from "./notebook.ts";

interface Hostile {
  readonly file: string;
  readonly wrong: string;
  readonly expect: "accept" | "reject" | "either";
  readonly errorNames?: readonly string[];
}

const folder = join(ROOT, "fixtures/hostile/ipynb");
const index: Hostile[] = JSON.parse(Deno.readTextFileSync(join(folder, "index.json")));

for (const { file, wrong, expect, errorNames = [] } of index) {
  Deno.test(`hostile notebook: ${file} (${wrong.slice(0, 60)}) is ${expect}ed`, async () => {
    const bytes = await Deno.readFile(join(folder, file));
    let error: unknown = null;
    try {
      parseNotebook(bytes, file);
    } catch (thrown) {
      error = thrown;
    }
    if (expect === "accept") assertEquals(error, null);
    if (expect === "reject") assert(error instanceof NotebookError);
    if (error !== null) {
      const message = String(error).toLowerCase();
      for (const name of errorNames) assertStringIncludes(message, name.toLowerCase());
    }
  });
}

Deno.test("a notebook survives reading and writing, and its text does not depend on the order of keys", () => {
  const text = formatNotebook({
    ...notebookOf("const a = 1;\na", ""),
    metadata: { kernelspec: { name: "deno" }, quantbook: { title: "T" } },
  });
  assertEquals(formatNotebook(parseNotebook(text)), text);
  const shuffled = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).reverse()));
  assertEquals(formatNotebook(parseNotebook(shuffled)), text);
});

Deno.test("text of sources and outputs is stored line by line, other data as it is", () => {
  const notebook = notebookOf("a\nb");
  const [cell] = notebook.cells;
  assert(cell.cell_type === "code");
  cell.outputs = [
    { output_type: "stream", name: "stdout", text: "1\n2" },
    {
      output_type: "display_data",
      data: { "text/plain": "x\ny\n", "image/png": "aGk=", "application/json": ["s"] },
      metadata: {},
    },
  ];
  const stored = JSON.parse(formatNotebook(notebook)).cells[0];
  assertEquals(stored.source, ["a\n", "b"]);
  assertEquals(stored.outputs[0].text, ["1\n", "2"]);
  assertEquals(stored.outputs[1].data, {
    "text/plain": ["x\n", "y\n"],
    "image/png": "aGk=",
    "application/json": ["s"],
  });
  assertEquals(parseNotebook(JSON.stringify(JSON.parse(formatNotebook(notebook)))).cells, notebook.cells);
});

Deno.test("a missing file is a NotebookError that names it", async () => {
  const error = await assertRejects(
    () => readNotebook(join(NOTEBOOKS, "nowhere.ipynb")),
    NotebookError,
    "nowhere.ipynb",
  );
  assertEquals(error.code, "missing");
});

Deno.test("metadata.quantbook is read, and refused with the name of the field that is wrong", () => {
  const paper = { title: "P", authors: "A, B", year: 2023, link: "https://arxiv.org/abs/2211.10438" };
  const about = (quantbook: unknown) =>
    readAbout(
      parseNotebook(
        JSON.stringify({ ...notebookOf("1"), metadata: { kernelspec: { name: "deno" }, quantbook } }),
      ),
      "n",
    );
  assertEquals(about({ title: "T", question: "Q?", paper, method: "quant/x.ts", order: 3 }), {
    title: "T",
    question: "Q?",
    paper,
    method: "quant/x.ts",
    order: 3,
  });
  assertThrows(() => about({ title: "T" }), NotebookError, "question");
  assertThrows(
    () => about({ title: "T", question: "Q", paper: { ...paper, year: "2023" } }),
    NotebookError,
    "year",
  );
  assertThrows(
    () => about({ title: "T", question: "Q", paper: { ...paper, link: "javascript:alert(1)" } }),
    NotebookError,
    "https",
  );
});

/** A notebook with keys of other programs at every level, as nbformat's schema allows them or not. */
const foreign = {
  cells: [
    {
      attachments: { "dot.png": { "image/png": "iVBORw0KGgo=" } },
      cell_type: "markdown",
      custom: [1, null, { own: 2 }],
      id: "a",
      metadata: { editable: false, vscode: { languageId: "markdown" } },
      source: ["![dot](attachment:dot.png)"],
    },
    {
      attachments: {},
      cell_type: "raw",
      id: "b",
      metadata: { raw_mimetype: "text/latex" },
      source: ["\\x\n", "y"],
    },
    {
      cell_type: "code",
      execution_count: 3,
      extra: true,
      id: "c",
      metadata: { collapsed: true, tags: ["keep"] },
      outputs: [
        { name: "stdout", output_type: "stream", text: ["1\n"], when: "then" },
        {
          data: { "text/plain": ["1"] },
          execution_count: 3,
          metadata: { x: 1 },
          output_type: "execute_result",
          seen: 0,
        },
        { data: {}, metadata: {}, output_type: "display_data", transient: { display_id: "q" } },
        { ename: "E", evalue: "v", output_type: "error", traceback: ["t"], where: "there" },
      ],
      source: ["1 + 1"],
    },
  ],
  metadata: {
    colab: { provenance: [] },
    kernelspec: { display_name: "Deno", name: "deno" },
    widgets: { state: {} },
  },
  nbformat: 4,
  nbformat_minor: 5,
  other_program: { version: "1.0" },
};

Deno.test("what other programs keep in a notebook stays, at every level", () => {
  const text = JSON.stringify(foreign).replace('"own":2', '"__proto__":2');
  assertEquals(JSON.parse(formatNotebook(parseNotebook(text))), JSON.parse(text));
});
