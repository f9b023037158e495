/** Two recorded findings that share a rule with others, each found by itself and gone when the numbers are mended. */
import { assert, assertEquals } from "@std/assert";
import { type Claim, type ClaimTable, loadClaimTables } from "../files.ts";
import { findErrata } from "./engine.ts";
import { findings } from "./findings.ts";

/** What the rule of one quantity in several tables says of some tables: table, method, column, printed, elsewhere. */
function disagreements(tables: readonly ClaimTable[], ids: readonly string[]): (string | number | null)[][] {
  const claims = new Map(tables.flatMap(({ claims }) => claims).map((claim) => [claim.id, claim]));
  return findErrata(tables).filter(({ kind, table }) => kind === "crossTable" && ids.includes(table)).map(
    ({ table, method, claims: [id], printed, recomputed }) => [
      ...[table, method, claims.get(id)?.key ?? null, printed, recomputed],
    ],
  );
}

/** A copy of the tables with some numbers replaced. */
function mended(tables: readonly ClaimTable[], change: (claim: Claim) => number): ClaimTable[] {
  return tables.map((table) => ({
    ...table,
    claims: table.claims.map((claim) => ({ ...claim, value: change(claim) })),
  }));
}

function cell(
  tables: readonly ClaimTable[],
  table: string,
  method: string,
  key: string,
  bits?: number,
): number {
  const found = tables.find(({ id }) => id === table)?.claims.filter((one) =>
    one.method === method && one.key === key && (bits === undefined || one.settings.bits_w === bits)
  );
  assertEquals(found?.length, 1, `${table} ${method} ${key}`);
  return found?.[0].value ?? NaN;
}

Deno.test("finding 2: LLM.int8()'s table has a baseline of its own beside rows of SmoothQuant's table", async () => {
  assertEquals(findings[1].number, 2);
  const tables = await loadClaimTables();
  assertEquals(disagreements(tables, ["llmint8_ppl"]), [
    ["llmint8_ppl", "baseline", "wikitext2", 7.24, 7.22],
    ["llmint8_ppl", "baseline", "c4", 10.34, 10.39],
  ]);
  for (const key of ["wikitext2", "c4"]) {
    for (const method of ["RTN", "SmoothQuant"]) {
      assertEquals(
        cell(tables, "llmint8_ppl", method, key),
        cell(tables, "smoothquant_main", method, key, 8),
      );
    }
  }
  const right: Record<string, number> = {
    wikitext2: cell(tables, "smoothquant_main", "baseline", "wikitext2"),
    c4: cell(tables, "smoothquant_main", "baseline", "c4"),
  };
  assertEquals(right, { wikitext2: 7.22, c4: 10.39 });
  const copy = mended(
    tables,
    ({ table, method, key, value }) => table === "llmint8_ppl" && method === "baseline" ? right[key] : value,
  );
  assertEquals(disagreements(copy, ["llmint8_ppl"]), []);
});

Deno.test("finding 30: GSM8K of round to nearest and GPTQ at 4 bits has two values", async () => {
  assertEquals(findings[29].number, 30);
  const tables = await loadClaimTables(), ids = ["gptq_generation", "lutgemm_gsm8k"];
  const values = { RTN: [50.57, 69.75], GPTQ: [57.54, 70.96] };
  const found = disagreements(tables, ids).filter(([, , key]) => key === "gsm8k");
  for (const [method, pair] of Object.entries(values)) {
    assertEquals(ids.map((table) => cell(tables, table, method, "gsm8k")), pair);
    // Neither is the more frequent one: the first table that has it counts as right.
    const ones = found.filter((one) => one[1] === method);
    assertEquals(ones.length, 1);
    assertEquals(ones[0].slice(3).map(Number).toSorted((a, b) => a - b), pair);
  }
  const copy = mended(tables, ({ table, method, key, value }) => {
    if (table !== "gptq_generation" || key !== "gsm8k") return value;
    return method === "RTN" ? values.RTN[1] : method === "GPTQ" ? values.GPTQ[1] : value;
  });
  const left = disagreements(copy, ids).filter(([, , key]) => key === "gsm8k");
  assert(!left.some(([, method]) => method === "RTN" || method === "GPTQ"), JSON.stringify(left));
});
