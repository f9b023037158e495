/**
 * How much a contradiction matters, and which of them have one cause. A number that its author could call a rounding is no error: it is
 * graded so, and where a whole column is rounded up or cut off, that is told once as a convention.
 */
import type { Claim, ClaimTable } from "../files.ts";
import { decimals, type Derivation, type Grade, type Graded, isErratum } from "./erratum.ts";
import { rowKey } from "./tables.ts";

/** Grades the contradictions among derivations; the others are needed to see conventions. */
export function gradesOf(tables: readonly ClaimTable[], all: readonly Derivation[]): Map<Derivation, Graded> {
  const claims = new Map(tables.flatMap(({ claims }) => claims).map((claim) => [claim.id, claim]));
  const conventions = conventionsOf(all, claims);
  return new Map(
    all.filter(isErratum).map((one) => {
      const convention = conventions.get(one);
      if (convention !== undefined) return [one, { grade: "rounding", cause: convention }];
      return [one, { grade: gradeOf(one, tables, all, claims), cause: causeOf(one, all, claims) }];
    }),
  );
}

function gradeOf(
  one: Derivation,
  tables: readonly ClaimTable[],
  all: readonly Derivation[],
  claims: ReadonlyMap<string, Claim>,
): Grade {
  const slight = Math.abs(one.printed - one.recomputed) < 1.001 * unitOf(one);
  if (one.kind === "count") return one.explanation === undefined ? "impossible" : "rounding";
  if (slight) return "rounding";
  if (turnsOrder(one, tables, all, claims)) return "conclusion";
  if (one.kind === "effectiveBits") return "impossible";
  return ["average", "ratio", "recount"].includes(one.kind) ? "arithmetic" : "twoValues";
}

/** A unit of the last decimal that both numbers show; of a computed one that is what is printed. */
function unitOf({ kind, printed, recomputed }: Derivation): number {
  const shown = ["crossTable", "column", "annotation"].includes(kind) ? [printed, recomputed] : [printed];
  return 10 ** -Math.min(...shown.map((value) => Math.max(1, decimals(value))));
}

/** Whether the cell and another method's in its column stand in another order with the numbers that others imply, for both cells. */
function turnsOrder(
  { kind, claims: ids, method, printed, recomputed }: Derivation,
  tables: readonly ClaimTable[],
  all: readonly Derivation[],
  claims: ReadonlyMap<string, Claim>,
): boolean {
  const claim = ids.length === 1 ? claims.get(ids[0]) : undefined;
  if (claim === undefined) return false;
  const others = tables.find(({ id }) => id === claim.table)?.claims ?? [];
  const implied = (id: string) =>
    all.find((one) => one.kind === kind && one.claims.length === 1 && one.claims[0] === id);
  return others.some((other) =>
    other.key === claim.key && other.model === claim.model && other.method !== method &&
    (printed - other.value) * (recomputed - (implied(other.id)?.recomputed ?? other.value)) < 0
  );
}

/** One cause for a row that a paper measured once more, for a copied column, for averages with the same mistake. */
function causeOf(
  { kind, table, claims: [id], printed, explanation }: Derivation,
  all: readonly Derivation[],
  claims: ReadonlyMap<string, Claim>,
): string {
  const claim = claims.get(id);
  if (kind === "average" && explanation !== undefined) return `averages of ${table} with a column too many`;
  if (claim === undefined || !["crossTable", "column"].includes(kind)) return `${kind} ${id}`;
  if (kind === "column") return `column ${table} ${claim.model} ${claim.dataset}`;
  // The paper that has this other value first stands for all that took it over, whatever the column.
  const row = rowKey(claim.method, claim.settings);
  const sharing = all.filter((one) => {
    const other = claims.get(one.claims[0]);
    return one.kind === kind && isErratum(one) && one.printed === printed && other?.model === claim.model &&
      other.dataset === claim.dataset && rowKey(other.method, other.settings) === row;
  }).map((one) => claims.get(one.claims[0])?.paper ?? "");
  return `${claim.model} ${row}, as ${sharing.sort()[0]} has it`;
}

/**
 * The contradictions that a convention explains, by its name: two thirds at least of the derived numbers of a column (of one kind, in one
 * table) are the computed ones rounded up, or cut off, among them two that are not so by chance.
 */
function conventionsOf(
  all: readonly Derivation[],
  claims: ReadonlyMap<string, Claim>,
): Map<Derivation, string> {
  const columns = Map.groupBy(
    all.filter(({ kind }) => ["average", "effectiveBits", "ratio", "count"].includes(kind)),
    (one) => {
      const key = one.claims.length === 1 ? claims.get(one.claims[0])?.key : "settings";
      return `${one.kind} of ${one.table}, ${key}`;
    },
  );
  const found = new Map<Derivation, string>();
  for (const [column, derivations] of columns) {
    const places = Math.max(...derivations.map(({ printed }) => decimals(printed))), unit = 10 ** -places;
    for (const [name, round] of [["rounded up", Math.ceil], ["cut off", Math.floor]] as const) {
      const margin = name === "rounded up" ? -1e-6 : 1e-6;
      const fits = derivations.filter(({ printed, recomputed }) =>
        Math.abs(round(recomputed / unit + margin) * unit - printed) < 1e-6 * unit + 1e-9
      );
      const telling = new Set(fits.filter(isErratum).map(({ recomputed }) => recomputed.toFixed(6)));
      if (
        fits.length < 2 / 3 * derivations.length ||
        telling.size < 2 && !(telling.size === 1 && fits.length === derivations.length)
      ) continue;
      for (const one of fits) found.set(one, `${column}: ${name}`);
      break;
    }
  }
  return found;
}
