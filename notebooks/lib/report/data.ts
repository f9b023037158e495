/** The data of the report's pages: published numbers with the evidence of notebooks, contradictions, methods. */
import { type Claim, errata as findErrata, loadClaims, publishedTables } from "../../../eval/claims.ts";
import type { Erratum as Contradiction } from "../../../eval/claims.ts";
import { methods } from "../../methods.ts";
import type { ClaimRow } from "./claims_page.ts";
import type { Erratum } from "./errata_page.ts";
import { collectEvidence } from "./evidence.ts";
import type { Method } from "./methods_page.ts";
import type { Executed } from "./notebook_page.ts";

/** What the data pages show. */
export interface ReportData {
  readonly claims: readonly ClaimRow[];
  readonly errata: readonly Erratum[];
  readonly methods: readonly Method[];
}

/** The files of claims by the names that readers know. */
const PAPERS: Readonly<Record<string, string>> = {
  gptq: "GPTQ",
  history: "README of September 2024",
  kivi: "KIVI",
  kvquant: "KVQuant",
  llmint8: "LLM.int8()",
  lutgemm: "LUT-GEMM",
  qqq: "QQQ",
  qrazor: "QRazor",
  smoothquant: "SmoothQuant",
  spqr: "SpQR",
  zeroquant: "ZeroQuant",
};
const ACCURACIES = new Set(["boolq", "arc_challenge", "arc_easy", "hellaswag", "piqa", "winogrande"]);

/** Reads the claims and joins them with what the notebooks found. */
export async function readData(notebooks: readonly Executed[]): Promise<ReportData> {
  const [claims, contradictions, tables] = await Promise.all([loadClaims(), findErrata(), publishedTables()]);
  const titles = new Map(tables.map(({ id, title }) => [id, title]));
  const claimsOfTable = Map.groupBy(claims, (claim) => claim.table);
  const idsOfTable = new Map([...claimsOfTable].map(([id, rows]) => [id, rows.map((claim) => claim.id)]));
  const errata = contradictions.map((one, i) =>
    describe(one, `erratum-${i + 1}`, claimsOfTable.get(one.table) ?? [], titles)
  );
  const erratumOf = new Map(
    contradictions.flatMap((one, i) => one.claims.map((id) => [id, errata[i].id] as const)),
  );
  const evidence = collectEvidence(notebooks, idsOfTable, new Set(claims.map((claim) => claim.id)));
  const rows = claims.map((claim): ClaimRow => {
    const erratum = erratumOf.get(claim.id);
    const found = evidence.get(claim.id);
    const contradicted = {
      status: "erratum" as const,
      witness: { href: `errata.html#${erratum}`, label: "arithmetic" },
    };
    return {
      id: claim.id,
      paper: PAPERS[claim.paper] ?? claim.paper,
      table: titles.get(claim.table) ?? claim.table,
      model: claim.model ?? "–",
      method: claim.method ?? "–",
      settings: settingsText(claim.settings),
      dataset: claim.dataset ?? "",
      metric: claim.metric ?? claim.key,
      claimed: claim.value,
      status: "unrun",
      ...found,
      ...(erratum === undefined ? {} : contradicted),
    };
  });
  return { claims: rows, errata, methods };
}

function settingsText(settings: Claim["settings"]): string {
  return Object.entries(settings).map(([name, value]) => `${name} ${value}`).join(", ");
}

function describe(
  one: Contradiction,
  id: string,
  table: readonly Claim[],
  titles: ReadonlyMap<string, string>,
): Erratum {
  const row = table.filter((claim) =>
    claim.method === one.method && JSON.stringify(claim.settings) === JSON.stringify(one.settings)
  );
  const paper = PAPERS[table[0]?.paper] ?? "";
  const finding = one.kind === "average"
    ? "The printed average is not the mean of the accuracies in its row."
    : "The printed bits per weight are not what the method's formula gives for the row's settings.";
  const settings = settingsText(one.settings);
  return {
    id,
    paper: `${paper}: ${titles.get(one.table) ?? one.table}`,
    where: `${one.method ?? "Row"}${settings === "" ? "" : ` (${settings})`}`,
    finding: one.explanation ? `${finding} What was printed: ${one.explanation}.` : finding,
    printed: String(one.printed),
    recomputed: String(Number(one.recomputed.toFixed(4))),
    arithmetic: arithmetic(one, row),
  };
}

/** The computation that the printed number fails, with the numbers of its row. */
function arithmetic(one: Contradiction, row: readonly Claim[]): string | undefined {
  const conclusion = `= ${Number(one.recomputed.toFixed(4))} \\neq ${one.printed}`;
  if (one.kind === "average") {
    const values = row.filter((claim) => ACCURACIES.has(claim.key)).map((claim) => claim.value);
    return values.length === 0 ? undefined : `\\frac{${values.join(" + ")}}{${values.length}} ${conclusion}`;
  }
  const { group } = one.settings;
  if (typeof group === "number") return `4 + \\frac{3}{${group}} ${conclusion}`;
  const value = (key: string) => row.find((claim) => claim.key === key)?.value;
  const keys = ["b_w", "b_s", "b_z", "beta1", "beta2", "r_o_percent"];
  const [weight, scale, zero, beta1, beta2, outliers] = keys.map(value);
  return `${weight} + \\frac{${scale} + ${zero}}{${beta1}} + \\frac{64}{${beta1} \\cdot ${beta2}} + 32 \\cdot ${outliers}\\% ${conclusion}`;
}
