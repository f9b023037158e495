/** The same quantity in several tables: one model, data set, method and precision should have one number. */
import type { Claim, ClaimTable } from "../files.ts";
import { decimals, type Derivation } from "./erratum.ts";
import { about } from "./rows.ts";

/** What a cell measures, in words that do not depend on the table; null where a table does not say enough. */
export function quantityOf(claim: Claim): string | null {
  const { model, dataset, metric } = claim;
  const row = rowKey(claim.method, claim.settings);
  return model === null || dataset === null || metric === null || row === null
    ? null
    : [model, dataset, metric.replace(/^exact_match.*/, "exact_match"), row].join(" / ");
}

/** Method and precision of a row: `"GPTQ W4A16"`. */
export function rowKey(method: string | null, settings: Claim["settings"]): string | null {
  if (method === null) return null;
  const name = /^(16-bit )?(baseline|full)$/i.test(method) ? "16 bits" : method.replace("OPTQ", "GPTQ");
  if (name === "16 bits") return name;
  const { bits, bits_w, bits_a, setting, groupsize, group, calib, act_order, alpha, ...others } = settings;
  const precision = setting ??
    (bits_w === undefined ? bits === undefined ? null : `W${bits}A16` : `W${bits_w}A${bits_a}`);
  const grouped = group ?? groupsize;
  const rest = Object.entries(others)
    .filter(([key]) => !["smoothquant", "gptq", "eff_bits", "granularity", "threshold"].includes(key))
    .map(([key, value]) => `${key} ${value}`);
  return [
    name,
    precision,
    typeof grouped === "number" ? `group ${grouped}` : "",
    // What is calibrated on C4 in order of activation is the rule, and not always said.
    calib === undefined || calib === "c4" ? "" : `on ${calib}`,
    act_order === false ? "without act-order" : "",
    alpha === undefined || alpha === 0.55 ? "" : `alpha ${alpha}`,
    ...rest,
  ].filter((part) => part !== "" && part !== null).join(", ");
}

/** Numbers of one quantity that differ between tables; the value that most tables have is taken for the right one. */
export function checkTables(tables: readonly ClaimTable[]): Derivation[] {
  const claims = tables.flatMap(({ claims }) => claims);
  const groups = Map.groupBy(claims, (claim) => quantityOf(claim) ?? claim.id);
  return [...groups].flatMap(([quantity, same]) => {
    if (new Set(same.map(({ table }) => table)).size < 2) return [];
    const common = mode(same.map(({ value }) => value));
    return same.map((claim) => {
      // The table with fewer decimals may have rounded the other's number.
      const unit = 10 ** -Math.min(...same.map(({ value }) => Math.max(decimals(value), 1)));
      const elsewhere = same.filter(({ value }) => value === common).map(({ table }) => table);
      return {
        ...about("crossTable", [claim], claim.value, common),
        finding: `${quantity}: ${claim.value} here, ${common} in ${[...new Set(elsewhere)].join(", ")}.`,
        tolerance: unit / 2,
      };
    });
  });
}

/** The most frequent value, the first of equals. */
function mode(values: readonly number[]): number {
  const counts = Map.groupBy(values, (value) => value);
  return [...counts].reduce((best, next) => next[1].length > best[1].length ? next : best)[0];
}

/** A column that repeats another model's, where its own model has other numbers in another table. */
export function checkColumns(tables: readonly ClaimTable[]): Derivation[] {
  const claims = tables.flatMap(({ claims }) => claims).filter(({ metric }) => metric === "perplexity");
  const columns = [
    ...Map.groupBy(claims, ({ table, model, dataset }) => JSON.stringify([table, model, dataset])).values(),
  ];
  return columns.flatMap((column) => {
    const [{ table, model, dataset }] = column;
    const others = columns.filter(([first]) => first.dataset === dataset && first.table !== table);
    const copied = others.find((other) => other[0].model !== model && repeats(column, other));
    const own = others.find((other) => other[0].model === model && !repeats(column, other));
    if (copied === undefined || own === undefined) return [];
    return column.flatMap((claim) => {
      const right = partner(claim, own);
      return right === undefined ? [] : [{
        ...about("column", [claim], claim.value, right.value),
        finding: `The column repeats ${copied[0].model}'s numbers of ${
          copied[0].table
        }; ${model} has others in ${own[0].table}.`,
        tolerance: 0,
      }];
    });
  });
}

/** Whether at least four rows of both columns are there and all have the same numbers. */
function repeats(column: readonly Claim[], other: readonly Claim[]): boolean {
  const pairs = column.map((claim) => [claim, partner(claim, other)] as const).filter(([, found]) =>
    found !== undefined
  );
  return pairs.length >= 4 && pairs.every(([claim, found]) => claim.value === found?.value);
}

/** The cell of the same method and bits. */
function partner(claim: Claim, column: readonly Claim[]): Claim | undefined {
  const key = ({ method, settings: { bits } }: Claim) => rowKey(method, bits === undefined ? {} : { bits });
  return column.find((other) => key(other) === key(claim));
}
