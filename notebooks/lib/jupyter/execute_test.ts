import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { executeNotebook } from "./execute.ts";
import { NOTEBOOKS } from "../notebook/files.ts";
import { notebookOf } from "../notebook/notebook_testing.ts";
import { formatNotebook, type Notebook, type Output, parseNotebook } from "../notebook/notebook.ts";

function outputs(notebook: Notebook, cell: number): Output[] {
  const found = notebook.cells[cell];
  assert(found.cell_type === "code");
  return found.outputs;
}

/** Outputs as words: `stdout:...`, `display:...`. */
function told(notebook: Notebook, cell: number): string[] {
  return outputs(notebook, cell).map((output) =>
    output.output_type === "stream"
      ? `${output.name}:${output.text}`
      : output.output_type === "error"
      ? `error:${output.ename}`
      : `${output.output_type}:${output.data["text/plain"]}`
  );
}

const display = (text: string) => `await Deno.jupyter.display({ "text/plain": "${text}" }, { raw: true });`;

Deno.test("outputs arrive complete, in order, in the cell that made them", async () => {
  const long = "x".repeat(40_000);
  const codes = Array.from(
    { length: 12 },
    (_, i) =>
      `console.log("start ${i}"); ${
        [0, 1, 2].map((k) => display(`${i}.${k} ${long}`)).join(" ")
      } console.error("end ${i}");`,
  );
  const notebook = notebookOf(...codes);
  const results = await executeNotebook(notebook);
  assertEquals(results.map((result) => result.error), codes.map(() => null));
  for (let i = 0; i < codes.length; i++) {
    assertEquals(told(notebook, i), [
      `stdout:start ${i}\n`,
      ...[0, 1, 2].map((k) => `display_data:${i}.${k} ${long}`),
      `stderr:end ${i}\n`,
    ]);
  }
});

Deno.test("cells see the import map, relative modules and the environment; state carries over; blank cells are skipped", async () => {
  const notebook = notebookOf(
    'import { QuantbookError } from "../base/error.ts";\nimport { assertEquals } from "@std/assert";',
    "  \n",
    'assertEquals(new QuantbookError("a", "b").code, "a");\nDeno.env.get("QUANTBOOK_EXECUTE_TEST")',
  );
  const results = await executeNotebook(notebook, {
    cwd: NOTEBOOKS,
    env: { QUANTBOOK_EXECUTE_TEST: "seen" },
  });
  assertEquals(results.map(({ cell, error }) => ({ cell, error })), [{ cell: 1, error: null }, {
    cell: 2,
    error: null,
  }]);
  assertStringIncludes(told(notebook, 2)[0], "seen");
  assertEquals(notebook.metadata.kernelspec, { name: "deno" });
  assert(notebook.metadata.language_info !== undefined);
});

Deno.test("updates change a display in place, clear_output empties a cell, progress is told but not stored", async () => {
  const broadcast = (type: string, text: string, metadata = "{}") =>
    `await Deno.jupyter.broadcast("${type}", { data: { "text/plain": "${text}" }, metadata: ${metadata}, transient: { display_id: "d" } });`;
  const notebook = notebookOf(
    broadcast("display_data", "old") + display("other"),
    broadcast("update_display_data", "new"),
    `console.log("gone"); await Deno.jupyter.broadcast("clear_output", { wait: false }); console.log("kept");`,
    'import { progress } from "quantbook/display"; const line = progress("work", 2); line.step(); line.step(); await line.done();',
  );
  const told_: string[] = [];
  const results = await executeNotebook(notebook, { cwd: NOTEBOOKS, onProgress: (text) => told_.push(text) });
  assertEquals(results.map((result) => result.error), [null, null, null, null]);
  assertEquals(told(notebook, 0), ["display_data:new", "display_data:other"]);
  assertEquals(told(notebook, 1), []);
  assertEquals(told(notebook, 2), ["stdout:kept\n"]);
  assertEquals(told(notebook, 3), []);
  assertEquals([told_[0], told_.at(-1)], ["work 0/2", "work 2/2"]);
});

Deno.test("the first failing cell ends the run, and its error is stored and reported", async () => {
  const notebook = notebookOf(
    'console.log("before")',
    'console.log("so far");\nthrow new TypeError("bad");',
    'console.log("never")',
  );
  const results = await executeNotebook(notebook);
  assertEquals(results.map(({ cell, error }) => ({ cell, error })), [
    { cell: 1, error: null },
    { cell: 2, error: "TypeError: bad" },
  ]);
  assertEquals(told(notebook, 1), ["stdout:so far\n", "error:TypeError"]);
  assertEquals(told(notebook, 2), []);
});

Deno.test("code that does not parse is an error that says where to look", async () => {
  const notebook = notebookOf("let x: = 3");
  const [result] = await executeNotebook(notebook);
  assertStringIncludes(result.error ?? "", "check.ts");
  assertEquals(told(notebook, 0), ["error:Error"]);
});

for (
  const [what, code] of [["an endless wait", "await new Promise(() => {})"], [
    "an endless loop",
    "while (true) {}",
  ]]
) {
  Deno.test(`${what} ends at the time limit, and the kernel with it`, async () => {
    const notebook = notebookOf(code, "1");
    const started = performance.now();
    const results = await executeNotebook(notebook, { timeoutSeconds: 0.5 });
    assertEquals(results.length, 1);
    assertStringIncludes(results[0].error ?? "", "No end after 0.5 seconds");
    assertEquals(told(notebook, 0), ["error:KernelError"]);
    assertLess(performance.now() - started, 20_000);
  });
}

for (
  const [how, code, words] of [["exit", "Deno.exit(3)", "exited with code 3"], [
    "SIGKILL",
    'Deno.kill(Deno.pid, "SIGKILL")',
    "SIGKILL",
  ]]
) {
  Deno.test(`a kernel that dies by ${how} is reported, not waited for`, async () => {
    const notebook = notebookOf(code, "1");
    const results = await executeNotebook(notebook);
    assertEquals(results.length, 1);
    assertStringIncludes(results[0].error ?? "", words);
  });
}

Deno.test("a run changes outputs, and nothing that other programs keep in the notebook", async () => {
  const given = {
    cells: [
      {
        attachments: { "a.png": { "image/png": "iVBORw0KGgo=" } },
        cell_type: "markdown",
        metadata: { x: 1 },
        source: [],
      },
      { cell_type: "raw", metadata: { raw_mimetype: "text/latex" }, source: ["y"] },
      {
        cell_type: "code",
        execution_count: 9,
        extra: 1,
        metadata: { tags: ["t"] },
        outputs: [],
        source: ["1 + 1"],
      },
    ],
    metadata: { kernelspec: { name: "deno" }, widgets: {} },
    nbformat: 4,
    nbformat_minor: 5,
    other_program: {},
  };
  const notebook = parseNotebook(JSON.stringify(given));
  await executeNotebook(notebook);
  const run = JSON.parse(formatNotebook(notebook));
  assertEquals(told(notebook, 2), ["execute_result:2"]);
  const { outputs: _, execution_count, ...code } = run.cells[2];
  const { language_info, ...metadata } = run.metadata;
  assert(language_info !== undefined && execution_count === 1);
  const { outputs: __, execution_count: ___, ...expected } = given.cells[2];
  assertEquals({ ...run, metadata, cells: [run.cells[0], run.cells[1], code] }, {
    ...given,
    cells: [given.cells[0], given.cells[1], expected],
  });
});
