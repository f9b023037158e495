/** No published number is lost, tables come back as printed, and contradictions are found from the numbers alone. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ClaimError, errata, loadClaims, publishedTable, publishedTables, rowsOf } from "./claims.ts";
import { type Claim, loadClaimTables, parseClaims } from "./claim_files.ts";
import { findErrata } from "./errata.ts";

Deno.test("all 975 published numbers are there, each with its own id", async () => {
  const claims = await loadClaims();
  assertEquals(claims.length, 975);
  assertEquals(new Set(claims.map(({ id }) => id)).size, 975);
  const papers = Map.groupBy(claims, ({ paper }) => paper);
  assertEquals(Object.fromEntries(papers.entries().map(([paper, list]) => [paper, list.length])), {
    gptq: 310,
    history: 65,
    kivi: 42,
    kvquant: 56,
    llmint8: 40,
    lutgemm: 152,
    qqq: 5,
    qrazor: 70,
    smoothquant: 74,
    spqr: 64,
    zeroquant: 97,
  });
});

Deno.test("records are the cells of the printed rows", async () => {
  const folder = new URL("../fixtures/claims/", import.meta.url);
  let cells = 0;
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".json")) continue;
    const { tables } = JSON.parse(await Deno.readTextFile(new URL(name, folder)));
    for (const { id, rows, records } of tables) {
      if (records.length === 0) continue;
      const printed = rows.flatMap(({ values }: { values: Record<string, unknown> }) =>
        Object.entries(values).filter(([, value]) => typeof value === "number")
      );
      const pivoted = (await publishedTable(id)).rows
        .flatMap((row) => row.cells.values().map(({ key, value }) => [key, value]).toArray());
      assertEquals(pivoted.map(String).sort(), printed.map(String).sort(), id);
      cells += printed.length;
    }
  }
  assertEquals(cells, 975);
});

Deno.test("a table whose columns are models has one row per method", async () => {
  const { rows, columns } = await publishedTable("gptq_opt_ppl");
  assertEquals(rows.length, 5);
  assertEquals(columns.length, 10);
  assertEquals(rows[0].cells.get("wikitext2:opt-13B")?.model, "OPT-13B");
});

Deno.test("each table has a title and at least one row", async () => {
  for (const { id, title } of await publishedTables()) {
    assert(title.length > 0, id);
    assert((await publishedTable(id)).rows.length > 0, id);
  }
});

Deno.test("an unknown table is refused with the list of tables", async () => {
  const error = await assertRejects(() => publishedTable("gptq"), ClaimError, "gptq_opt_ppl");
  assertEquals(error.code, "table");
});

// Found independently when the tables were collected (by hand and with Python).
const knownErrata = [
  ["average", "gptq_opt67_csqa", 52.87, 59.012],
  ["average", "gptq_opt67_csqa", 50.11, 57.795],
  ["average", "gptq_opt67_csqa", 50.19, 57.888],
  ["average", "gptq_opt67_csqa", 31.43, 36.172],
  ["average", "gptq_opt67_csqa", 47.42, 54.825],
  ["average", "spqr_acc", 42.3, 45.298],
  ["effectiveBits", "qrazor", 4.1, 4.094],
  ["effectiveBits", "qrazor", 4.03, 4.023],
  ["effectiveBits", "qrazor", 4.06, 4.047],
];

Deno.test("the known contradictions, and no others", async () => {
  const found = (await errata()).map(({ kind, table, printed, recomputed }) => {
    return [kind, table.replace(/^qrazor_.*/, "qrazor"), printed, Math.round(recomputed * 1000) / 1000];
  });
  // The same misprinted bits stand in several rows.
  assertEquals(new Set(found.map(String)), new Set(knownErrata.map(String)));
});

Deno.test("the averages of OPT-6.7B include the column of bits", async () => {
  const explained = (await errata()).filter(({ explanation }) => explanation !== undefined);
  assertEquals(new Set(explained.map(({ table }) => table)), new Set(["gptq_opt67_csqa"]));
  assertEquals(explained.length, 5);
});

Deno.test("SpQR's average bits follow from its configuration, and a change is noticed", async () => {
  const { rows } = await publishedTable("spqr_config");
  assertEquals(findErrata(rows.map(({ cells }) => cells)), []);
  const changed = rows[0].cells.values().map((claim): Claim => {
    return claim.key === "avg_bits" ? { ...claim, value: claim.value + 0.1 } : claim;
  }).toArray();
  assertEquals(findErrata(rowsOf(changed).map(({ cells }) => cells)).length, 1);
});

Deno.test("malformed claim files have typed errors", async () => {
  const record = { model: null, method: "GPTQ", settings: { bits: 4 }, key: "c4", value: 1.5, sourceLine: 7 };
  const table = {
    id: "t",
    title: "T",
    section: "S",
    source: "000",
    columns: [{ key: "c4" }],
    records: [record],
  };
  const parse = (text: string) => parseClaims("x.json", new TextEncoder().encode(text));
  const file = (change: object) =>
    JSON.stringify({ paper: "p", tables: [{ ...table, records: [{ ...record, ...change }] }] });
  assertEquals(parse(file({}))[0].claims[0].id, "t/-/GPTQ/bits=4/c4");
  const cases: [code: string, text: string, named: string][] = [
    ["json", "{", "x.json"],
    ["json", '{"paper":"a","paper":"b"}', "paper"],
    ["format", "[]", "object"],
    ["format", '{"paper":"p"}', "tables"],
    ["format", file({ value: "1.5" }), "value"],
    ["format", file({ value: null }), "value"],
    ["format", file({ settings: [] }), "settings"],
    ["format", file({ settings: { bits: [4] } }), "bits"],
    ["format", file({ key: 3 }), "key"],
    ["format", file({ sourceLine: "seven" }), "sourceLine"],
  ];
  for (const [code, text, named] of cases) {
    assertEquals(assertThrows(() => parse(text), ClaimError, named).code, code, text);
  }
  const folder = await Deno.makeTempDir();
  try {
    const from = new URL(`file://${folder}/`);
    await Deno.writeTextFile(new URL("a.json", from), file({}));
    assertEquals((await loadClaimTables(from)).length, 1);
    await Deno.writeTextFile(new URL("b.json", from), file({}));
    assertEquals((await assertRejects(() => loadClaimTables(from), ClaimError)).code, "duplicate");
    const absent = await assertRejects(() => loadClaimTables(new URL("absent/", from)), ClaimError);
    assertEquals(absent.code, "missing");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
