/** Derived numbers of single rows: averages, effective bits, speed-ups. */
import type { Claim, ClaimTable } from "../files.ts";
import { rowsOf } from "../rows.ts";
import { type Derivation, halfUnit } from "./erratum.ts";

type Cells = ReadonlyMap<string, Claim>;

/** Percentages are printed with two decimals. */
const percent = 0.005;

const accuracies: readonly string[] = [
  "boolq",
  "arc_challenge",
  "arc_easy",
  "hellaswag",
  "piqa",
  "winogrande",
];

/** All rules that look at one row at a time. */
export function checkRows(tables: readonly ClaimTable[]): Derivation[] {
  return tables.flatMap(({ claims }) => {
    const rows = rowsOf(claims).map(({ cells }) => cells);
    return rows.flatMap((cells) => [
      ...averages(cells),
      ...razorBits(cells),
      ...spqrBits(cells),
      ...speedups(cells, rows),
      ...recounts(cells),
    ]);
  });
}

/** `csqa_avg` is the mean of the row's accuracies. */
function averages(cells: Cells): Derivation[] {
  const average = cells.get("csqa_avg");
  const values = accuracies.flatMap((key) => cells.get(key)?.value ?? []);
  if (!average || values.length === 0) return [];
  const sum = values.reduce((total, value) => total + value, 0);
  const derivation: Derivation = {
    ...about("average", [average], average.value, sum / values.length),
    finding: "The printed average is not the mean of the accuracies in its row.",
    arithmetic: `\\frac{${values.join(" + ")}}{${values.length}}`,
    tolerance: percent,
  };
  const { bits } = average.settings;
  if (typeof bits !== "number") return [derivation];
  const withBits = (sum + bits) / (values.length + 1);
  if (Math.abs(withBits - average.value) > percent + 1e-9) return [derivation];
  const count = values.length + 1;
  return [{
    ...derivation,
    explanation: `the column of bits was averaged too: (${sum.toFixed(2)} + ${bits}) / ${count}`,
  }];
}

const wrongBits =
  "The printed bits per weight are not what the method's formula gives for the row's settings.";

/**
 * QRazor from 8 bits to 4: each group stores one of the shifts 0 to 5, 6 states, so 3 flag bits per group
 * (SPEC section 6.6).
 */
function razorBits(cells: Cells): Derivation[] {
  const claims = [...cells.values()];
  const { group, eff_bits: printed } = claims[0].settings;
  if (typeof group !== "number" || typeof printed !== "number") return [];
  const arithmetic = `4 + \\frac{3}{${group}}`;
  const found = about("effectiveBits", claims, printed, 4 + 3 / group);
  return [{ ...found, finding: wrongBits, arithmetic, tolerance: percent }];
}

/**
 * SpQR: b_w + (b_s + b_z) / beta1 + 64 / (beta1 beta2) + 32 r_o (arXiv 2306.03078, section 4, with 16-bit second-level
 * statistics and 32 bits per outlier).
 */
function spqrBits(cells: Cells): Derivation[] {
  const printed = cells.get("avg_bits");
  if (!printed) return [];
  const [weight, scale, zero, outliers, beta1, beta2] = ["b_w", "b_s", "b_z", "r_o_percent", "beta1", "beta2"]
    .map((key) => cells.get(key)?.value ?? NaN);
  const bits = weight + (scale + zero) / beta1 + 64 / (beta1 * beta2) + 32 * outliers / 100;
  const arithmetic = `${weight} + \\frac{${scale} + ${zero}}{${beta1}} + ` +
    `\\frac{64}{${beta1} \\cdot ${beta2}} + 32 \\cdot ${outliers}\\%`;
  const found = about("effectiveBits", [printed], printed.value, bits);
  return [{ ...found, finding: wrongBits, arithmetic, tolerance: percent }];
}

/** A speed-up is the 16-bit time over the own time; both are rounded, and so is the printed ratio. */
function speedups(cells: Cells, rows: readonly Cells[]): Derivation[] {
  const times = [...cells.keys()].filter((key) => key.endsWith("_ms"));
  const base = times.find((key) => key.includes("fp16"));
  if (base === undefined) return [];
  const unit = (key: string) => halfUnit(rows.flatMap((row) => row.get(key)?.value ?? []));
  return [...cells.values()].filter(({ key }) => key.endsWith("speedup")).flatMap((claim) => {
    const own = claim.key === "speedup"
      ? times.find((key) => key !== base)
      : claim.key.replace("speedup", "ms");
    const [over, under] = [cells.get(base), own === undefined ? undefined : cells.get(own)];
    if (over === undefined || under === undefined || own === undefined) return [];
    const ratio = over.value / under.value;
    return [{
      ...about("ratio", [claim], claim.value, ratio),
      finding: "The printed speed-up is not the ratio of the times in its row.",
      arithmetic: `\\frac{${over.value}}{${under.value}}`,
      tolerance: unit(claim.key) + ratio * (unit(base) / over.value + unit(own) / under.value),
    }];
  });
}

/** The table counts right answers; the answers themselves are printed, and were counted again. */
function recounts(cells: Cells): Derivation[] {
  const correct = cells.get("correct");
  const recount = correct?.settings.recount;
  if (!correct || typeof recount !== "number") return [];
  return [{
    ...about("recount", [correct], correct.value, recount),
    finding: "The printed count of right answers is not that of the printed answers.",
    tolerance: 0,
  }];
}

/** The fields that name a row. */
export function about(
  kind: Derivation["kind"],
  claims: readonly Claim[],
  printed: number,
  recomputed: number,
): Omit<Derivation, "finding" | "tolerance"> {
  const { table, method, settings } = claims[0];
  return { kind, table, claims: claims.map(({ id }) => id), method, settings, printed, recomputed };
}
