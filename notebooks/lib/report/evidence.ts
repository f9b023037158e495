/** Collects what executed notebooks found out about published cells, with links to the cells that did. */
import { isStatus } from "../display/status.ts";
import { objectAt, own, stringAt } from "../json.ts";
import { NotebookError } from "../notebook/notebook.ts";
import { codeCells } from "../notebook/cells.ts";
import type { ClaimRow } from "./claims_page.ts";
import type { Executed } from "./notebook_page.ts";
import { readVerdict } from "./outputs.ts";

/** What a notebook adds to the row of a claim. */
export type Evidence = Pick<ClaimRow, "status" | "oracle" | "measured" | "standardError" | "witness">;

/**
 * The evidence by claim id. Verdicts speak for whole tables or for single claims; evidence given for a claim itself
 * goes before them, and evidence that was marked as a fallback comes last; it fills in what a notebook calls not run. An id that no claim and no table has is an error: a witness that nobody can call.
 */
export function collectEvidence(
  notebooks: readonly Executed[],
  claimsOfTable: ReadonlyMap<string, readonly string[]>,
  claims: ReadonlySet<string>,
): Map<string, Evidence> {
  const general = new Map<string, Evidence>();
  const specific = new Map<string, Evidence>();
  const fallback = new Map<string, Evidence>();
  for (const { name, notebook } of notebooks) {
    for (const [index, cell] of codeCells(notebook).entries()) {
      const witness = { href: `${name}.html#cell-${index + 1}`, label: `${name} [${index + 1}]` };
      const unknown = (id: string) =>
        new NotebookError(
          "claim",
          `${name}.ipynb cell [${index + 1}]: there is no published cell or table "${id}"`,
        );
      for (const output of cell.outputs) {
        const about = "metadata" in output ? objectAt(output.metadata, "quantbook") : {};
        const verdict = readVerdict(about);
        for (const id of verdict?.claims ?? []) {
          const ids = claimsOfTable.get(id) ?? (claims.has(id) ? [id] : null);
          if (ids === null || verdict === null) throw unknown(id);
          for (const claim of ids) general.set(claim, { status: verdict.status, witness });
        }
        const rows = about.kind === "witness" && Array.isArray(about.rows) ? about.rows : [];
        for (const row of rows) {
          const claim = stringAt(row, "claim");
          if (!claims.has(claim)) throw unknown(claim);
          const status = own(row, "status");
          const numbers = ["oracle", "measured", "standardError"].flatMap((key) => {
            const value = own(row, key);
            return typeof value === "number" ? [[key, value]] : [];
          });
          (about.fallback === true ? fallback : specific).set(claim, {
            status: isStatus(status) ? status : "unrun",
            witness,
            ...Object.fromEntries(numbers),
          });
        }
      }
    }
  }
  const found = new Map([...general, ...specific]);
  for (const [claim, evidence] of fallback) {
    if ((found.get(claim)?.status ?? "unrun") === "unrun") found.set(claim, evidence);
  }
  return found;
}
