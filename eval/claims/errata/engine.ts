/** The erratum engine: recomputes every number that others imply, and compares what is printed more than once. */
import type { ClaimTable } from "../files.ts";
import { checkAnnotations } from "./annotations.ts";
import { checkCounts } from "./counts.ts";
import { type Derivation, type Erratum, isErratum, type Rule } from "./erratum.ts";
import { gradesOf } from "./grades.ts";
import { checkRows } from "./rows.ts";
import { checkColumns, checkTables } from "./tables.ts";

const rules: readonly Rule[] = [checkRows, checkCounts, checkColumns, checkTables, checkAnnotations];

/** All derived numbers of the tables, right or wrong. */
export function derive(tables: readonly ClaimTable[]): Derivation[] {
  return rules.flatMap((rule) => rule(tables));
}

/** Numbers that contradict others, each with its grade and its cause. */
export function findErrata(tables: readonly ClaimTable[]): Erratum[] {
  const graded = gradesOf(tables, derive(tables));
  return [...graded].map(([one, grade]) => ({ ...one, ...grade }));
}

/** Ids of the averages, bits, ratios and counts that follow from other printed numbers, as printed. */
export function recomputed(tables: readonly ClaimTable[]): Set<string> {
  const derived = derive(tables).filter(({ kind }) =>
    ["average", "effectiveBits", "ratio", "recount"].includes(kind)
  );
  // Settings such as bits belong to whole rows: their cells are not derived.
  const single = derived.filter(({ claims }) => claims.length === 1);
  return new Set(single.filter((one) => !isErratum(one)).flatMap(({ claims }) => claims));
}
