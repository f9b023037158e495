/** Grades: what is there, planted errors of each grade, planted conventions that are none. */
import { assert, assertEquals } from "@std/assert";
import { errata } from "../../claims.ts";
import { type ClaimTable, loadClaimTables } from "../files.ts";
import { findErrata } from "./engine.ts";
import { type Erratum, type Grade, grades } from "./erratum.ts";

const tables = await loadClaimTables();

/** The tables with some numbers of one replaced. */
function changed(
  table: string,
  change: (claim: ClaimTable["claims"][number]) => Partial<ClaimTable["claims"][number]>,
): ClaimTable[] {
  return tables.map((one) =>
    one.id === table ? { ...one, claims: one.claims.map((claim) => ({ ...claim, ...change(claim) })) } : one
  );
}

function only(found: readonly Erratum[], id: string, kind: Erratum["kind"]): Erratum {
  const matches = found.filter((one) => one.claims.includes(id) && one.kind === kind);
  assertEquals(matches.length, 1, id);
  return matches[0];
}

Deno.test("every contradiction has a grade and a cause; causes are fewer, and a baseline that several papers took over is one", async () => {
  const found = await errata();
  assert(found.every(({ grade, cause }) => grades.includes(grade) && cause !== ""));
  const causes = Map.groupBy(found, ({ cause }) => cause);
  assert(causes.size < found.length / 2);
  const baseline = causes.get("LLaMA-3.1-8B-Instruct 16 bits, as kivi has it") ?? [];
  assertEquals(new Set(baseline.map(({ table }) => table)).size, 10);
  assertEquals(causes.get("averages of gptq_opt67_csqa with a column too many")?.length, 5);
});

Deno.test("what every row rounds up is a convention; 4.06 where all others are rounded up is none", async () => {
  const bits = (await errata()).filter(({ kind }) => kind === "effectiveBits");
  const [misprint, ...others] = bits.filter(({ grade }) => grade !== "rounding");
  assertEquals([misprint.printed, misprint.grade, others.length], [4.06, "impossible", 0]);
  for (const { cause } of bits.filter(({ grade }) => grade === "rounding")) {
    assert(cause.endsWith(": rounded up"), cause);
  }
});

Deno.test("planted: an error of each grade is graded so", () => {
  const row = tables.find(({ id }) => id === "spqr_acc")?.claims.filter(({ method }) => method === "SpQR") ??
    [];
  const average = row.find(({ key }) => key === "csqa_avg"), piqa = row.find(({ key }) => key === "piqa");
  assert(average !== undefined && piqa !== undefined);
  const others =
    tables.find(({ id }) => id === "spqr_acc")?.claims.filter(({ key, method }) =>
      key === "csqa_avg" && method !== "SpQR"
    ) ?? [];
  const least = Math.min(...others.map(({ value }) => value).filter((value) => value > average.value), 100);
  const plant = (value: number) =>
    only(
      findErrata(changed("spqr_acc", ({ id }) => id === average.id ? { value } : {})),
      average.id,
      "average",
    ).grade;
  const planted: [number, Grade][] = [
    [average.value + 0.01, "rounding"],
    [average.value - 0.3, "arithmetic"],
    [least + 0.5, "conclusion"],
  ];
  for (const [value, grade] of planted) assertEquals(plant(+value.toFixed(2)), grade, String(value));
  // No count out of 1838 gives this percentage, nor a cut one.
  const impossible = findErrata(
    changed("spqr_acc", ({ id, value }) => id === piqa.id ? { value: +(value + 0.02).toFixed(2) } : {}),
  );
  assertEquals(only(impossible, piqa.id, "count").grade, "impossible");
  const twice = tables.find(({ id }) => id === "gptq_paper_opt_wikitext2")?.claims.find(({ method, model }) =>
    method === "full" && model === "OPT-13B"
  );
  assert(twice !== undefined);
  const two = findErrata(
    changed("gptq_paper_opt_wikitext2", ({ id, value }) => id === twice.id ? { value: value - 0.5 } : {}),
  );
  assertEquals(only(two, twice.id, "crossTable").grade, "twoValues");
});

Deno.test("planted: a column of averages that is cut off or rounded up is a convention, and rounded in both ways is none", () => {
  const table = tables.find(({ id }) => id === "smoothquant_main");
  assert(table !== undefined);
  const exact = (claim: ClaimTable["claims"][number]) => {
    const keys = ["boolq", "arc_challenge", "arc_easy", "hellaswag", "piqa", "winogrande"];
    const same = table.claims.filter((one) =>
      one.method === claim.method && JSON.stringify(one.settings) === JSON.stringify(claim.settings) &&
      keys.includes(one.key)
    );
    return same.reduce((sum, { value }) => sum + value, 0) / same.length;
  };
  for (const [name, round] of [["cut off", Math.floor], ["rounded up", Math.ceil]] as const) {
    const found = findErrata(
      changed(
        "smoothquant_main",
        (claim) =>
          claim.key === "csqa_avg"
            ? { value: round(100 * exact(claim) + (name === "cut off" ? 1e-6 : -1e-6)) / 100 }
            : {},
      ),
    ).filter(({ kind, table }) => kind === "average" && table === "smoothquant_main");
    assert(found.length > 0, name);
    for (const { grade, cause } of found) {
      assertEquals([grade, cause], ["rounding", `average of smoothquant_main, csqa_avg: ${name}`]);
    }
  }
});
