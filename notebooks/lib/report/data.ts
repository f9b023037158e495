/** The data of the report's pages: published numbers with the evidence of notebooks, contradictions, methods. */
import {
  type Claim,
  errata as findErrata,
  type Erratum,
  loadClaims,
  publishedTables,
  recomputedClaims,
} from "../../../eval/claims.ts";
import { commandOfClaim } from "../../../eval/claims/scheme.ts";
import { questionOf } from "../../../eval/claims/orderings/questions.ts";
import { type MethodEntry, methods } from "../../methods.ts";
import type { ClaimRow } from "./claims_page.ts";
import type { ErratumRow } from "./errata_page.ts";
import { collectEvidence } from "./evidence.ts";
import type { Executed } from "./notebook_page.ts";

/** What the data pages show. */
export interface ReportData {
  readonly claims: readonly ClaimRow[];
  readonly errata: readonly ErratumRow[];
  readonly methods: readonly MethodEntry[];
}

/** The files of claims by the names that readers know. */
const PAPERS: Readonly<Record<string, string>> = {
  abq: "ABQ-LLM",
  affine: "AffineQuant",
  gptaq: "GPTAQ",
  gptq: "GPTQ",
  history: "README of September 2024",
  kivi: "KIVI",
  kvquant: "KVQuant",
  llmfp4: "LLM-FP4",
  llmint8: "LLM.int8()",
  lutgemm: "LUT-GEMM",
  marlin: "MARLIN",
  odyssey: "OdysseyLLM",
  omniquant: "OmniQuant",
  qqq: "QQQ",
  qrazor: "QRazor",
  quarot: "QuaRot",
  quik: "QUIK",
  slimllm: "SliM-LLM",
  smoothquant: "SmoothQuant",
  sparsity: "Wanda",
  spinquant: "SpinQuant",
  spqr: "SpQR",
  svdquant: "SVDQuant",
  zeroquant: "ZeroQuant",
};

/** What makes a number wrong in itself; where two tables disagree, either may be right. */
const MISPRINTS: ReadonlySet<string> = new Set([
  "average",
  "effectiveBits",
  "ratio",
  "count",
  "column",
  "recount",
]);

/** Reads the claims and joins them with what the notebooks found. */
export async function readData(notebooks: readonly Executed[]): Promise<ReportData> {
  const [claims, contradictions, tables, derived] = await Promise.all([
    loadClaims(),
    findErrata(),
    publishedTables(),
    recomputedClaims(),
  ]);
  const titles = new Map(tables.map(({ id, title }) => [id, title]));
  const claimsOfTable = Map.groupBy(claims, (claim) => claim.table);
  const idsOfTable = new Map([...claimsOfTable].map(([id, rows]) => [id, rows.map((claim) => claim.id)]));
  const errata = contradictions.map((one, i) =>
    describe(one, `erratum-${i + 1}`, claimsOfTable.get(one.table) ?? [], titles)
  );
  const erratumOf = new Map(
    contradictions.flatMap((one, i) =>
      MISPRINTS.has(one.kind) ? one.claims.map((id) => [id, errata[i].id] as const) : []
    ),
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
      status: derived.has(claim.id) ? "recomputed" : "unrun",
      command: commandOfClaim(claim) ?? missing(claim),
      ...found,
      // A derived number needs no model.
      ...(found?.status === "unrun" && derived.has(claim.id) ? { status: "recomputed" as const } : {}),
      ...(erratum === undefined ? {} : contradicted),
    };
  });
  return { claims: rows, errata, methods };
}

/** What would be needed where no command can do it. */
function missing(claim: Claim): string {
  const question = questionOf(claim);
  return `needs ${"missing" in question ? question.missing : "a command"}`;
}

function settingsText(settings: Claim["settings"]): string {
  return Object.entries(settings).map(([name, value]) => `${name} ${value}`).join(", ");
}

function describe(
  one: Erratum,
  id: string,
  table: readonly Claim[],
  titles: ReadonlyMap<string, string>,
): ErratumRow {
  const paper = PAPERS[table[0]?.paper] ?? "";
  const settings = settingsText(one.settings);
  const conclusion = `= ${Number(one.recomputed.toFixed(4))} \\neq ${one.printed}`;
  return {
    id,
    paper: `${paper}: ${titles.get(one.table) ?? one.table}`,
    where: `${one.method ?? "Row"}${settings === "" ? "" : ` (${settings})`}`,
    finding: one.explanation ? `${one.finding} What was printed: ${one.explanation}.` : one.finding,
    grade: one.grade,
    cause: one.cause,
    printed: String(one.printed),
    recomputed: String(Number(one.recomputed.toFixed(4))),
    ...(one.arithmetic === undefined ? {} : { arithmetic: `${one.arithmetic} ${conclusion}` }),
  };
}
