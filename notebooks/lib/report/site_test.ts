import { loadClaims } from "../../../eval/claims.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "node:path";
import { type MethodEntry, methods } from "../../methods.ts";
import { ROOT } from "../notebook/files.ts";
import { notebookOf } from "../notebook/notebook_testing.ts";
import { formatNotebook, type Notebook, NotebookError } from "../notebook/notebook.ts";
import type { Display } from "../display/emit.ts";
import { verdict, witness } from "../display.ts";
import { type ClaimRow, claimsPage } from "./claims_page.ts";
import { readData } from "./data.ts";
import { collectEvidence } from "./evidence.ts";
import { executed } from "./executed.ts";
import { MethodError, readExcerpt } from "./methods_page.ts";
import type { Executed } from "./notebook_page.ts";

async function showing(...displays: readonly Display[]): Promise<Executed> {
  const notebook: Notebook = notebookOf("1", "2");
  const cell = notebook.cells[1];
  if (cell.cell_type === "code") {
    for (const display of displays) {
      cell.outputs.push({
        output_type: "display_data",
        data: await display.render(),
        metadata: display.metadata,
      });
    }
  }
  return { name: "sample", about: { title: "S", question: "", order: 1 }, notebook, seconds: 0 };
}

const tables = new Map([["t", ["t/a", "t/b"]]]);
const ids = new Set(["t/a", "t/b", "u/a"]);

Deno.test("verdicts speak for tables, evidence for its own cell, and both link to the cell that gave them", async () => {
  const notebook = await showing(
    witness([{ claim: "t/b", status: "reproduced", measured: { value: 1, standardError: 0.5 }, oracle: 2 }]),
    verdict({ status: "trend", title: "T", detail: "D", claims: ["t"] }),
  );
  const link = { href: "sample.html#cell-2", label: "sample [2]" };
  assertEquals(Object.fromEntries(collectEvidence([notebook], tables, ids)), {
    "t/a": { status: "trend", witness: link },
    "t/b": { status: "reproduced", witness: link, oracle: 2, measured: 1, standardError: 0.5 },
  });
});

Deno.test("evidence that is a fallback fills in what no notebook found out", async () => {
  const notebook = await showing(
    witness([{ claim: "t/a", status: "undecided" }, { claim: "t/b", status: "trend" }, {
      claim: "u/a",
      status: "trend",
    }], {
      fallback: true,
    }),
    witness([{ claim: "t/a", status: "unrun" }, { claim: "t/b", status: "differs" }]),
  );
  const found = collectEvidence([notebook], tables, ids).entries().map(([id, { status }]) => [id, status]);
  assertEquals(Object.fromEntries(found), { "t/a": "undecided", "t/b": "differs", "u/a": "trend" });
});

Deno.test("evidence on a cell that nobody published is an error that names notebook and cell", async () => {
  const notebook = await showing(verdict({ status: "trend", title: "T", detail: "D", claims: ["nowhere"] }));
  const error = assertThrows(() => collectEvidence([notebook], tables, ids), NotebookError, '"nowhere"');
  assertStringIncludes(error.message, "sample.ipynb cell [2]");
});

Deno.test("every published cell has a row; contradicted ones link to their arithmetic", async () => {
  const { claims, errata } = await readData([]);
  assertEquals(claims.length, (await loadClaims()).length);
  const average = claims.find((row) => row.claimed === 52.87);
  assertEquals([average?.status, average?.witness?.href], ["erratum", "errata.html#erratum-1"]);
  assertStringIncludes(errata[0].arithmetic ?? "", "{6} = 59.0117 \\neq 52.87");
  assertEquals(
    claims.filter((row) => row.status === "unrun").every((row) => row.measured === undefined),
    true,
  );
});

Deno.test("the page of all numbers shows values with their uncertainty, and escapes", () => {
  const row: ClaimRow = {
    id: "x",
    paper: "<P>",
    table: "T",
    model: "M",
    method: "RTN",
    settings: "W4",
    dataset: "c4",
    metric: "perplexity",
    claimed: -7.25,
    measured: 23.55,
    standardError: 0.12,
    status: "differs",
    command: "deno task <x>",
  };
  const { body } = claimsPage([row]);
  assertStringIncludes(
    body,
    '<td class="num" data-sort="-7.25">−7.25</td><td class="num" data-sort="">–</td>',
  );
  assertStringIncludes(body, '<td class="num" data-sort="23.55">23.55 ± 0.12</td>');
  assertStringIncludes(body, "<td>&lt;P&gt;</td>");
  assertStringIncludes(body, "<code>deno task &lt;x&gt;</code>");
  assertStringIncludes(body, "1 of them with a witness");
});

Deno.test("excerpts are cut from the source with their line, and an anchor that is gone is an error", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      join(folder, "m.ts"),
      "// one\nfunction f() {\n    const a = 1;\n    return a;\n}\n",
    );
    const method = (anchor: string): MethodEntry => ({
      id: "m",
      name: "M",
      bits: "4",
      quantizes: "weights",
      calibration: false,
      gradient: false,
      cost: "none",
      paper: { title: "P", link: "https://example.org" },
      source: "m.ts",
      equation: { tex: "a", label: "eq. 1", anchor, lines: 2 },
    });
    assertEquals(await readExcerpt(method("const a"), folder), {
      file: "m.ts",
      line: 3,
      text: "const a = 1;\nreturn a;",
    });
    await assertRejects(() => readExcerpt(method("const b"), folder), MethodError, "const b");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

for (const method of methods) {
  Deno.test(`the lines that implement ${method.name} are where the report looks for them`, async () => {
    const excerpt = await readExcerpt(method, ROOT);
    assertEquals(excerpt?.text.split("\n").length, method.equation?.lines);
  });
}

Deno.test("an unchanged notebook is not run again; changed code, changed sources or a failure are", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "n.ipynb");
    const run = async (source: string, sources: string) => {
      await Deno.writeTextFile(path, formatNotebook(notebookOf(source)));
      const { cached, error, notebook } = await executed(path, sources, { folder: join(folder, "runs") });
      const [cell] = notebook.cells;
      return [cached, error, cell.cell_type === "code" ? cell.outputs.length : -1];
    };
    assertEquals(await run('console.log("a")', "s"), [false, null, 1]);
    assertEquals(await run('console.log("a")', "s"), [true, null, 1]);
    assertEquals(await run('console.log("a")', "other"), [false, null, 1]);
    assertEquals(await run('console.log("b")', "other"), [false, null, 1]);
    const failed = 'throw new Error("no")';
    assertEquals(await run(failed, "s"), [false, "n.ipynb cell [1]: Error: no", 1]);
    assertEquals(await run(failed, "s"), [false, "n.ipynb cell [1]: Error: no", 1]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
