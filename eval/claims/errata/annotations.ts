/** Numbers that stand beside samples of generated text, compared with those of the tables. */
import type { Annotation, Claim, ClaimTable, Setting } from "../files.ts";
import { decimals, type Derivation } from "./erratum.ts";
import { about } from "./rows.ts";
import { rowKey } from "./tables.ts";

const datasets: Readonly<Record<string, string>> = {
  "Wiki2 ppl": "wikitext2",
  "TruthfulQA": "truthfulqa_gen",
};

/** Annotated numbers that no table has for the same method and precision. */
export function checkAnnotations(tables: readonly ClaimTable[]): Derivation[] {
  const claims = tables.flatMap(({ claims }) => claims);
  return tables.flatMap(({ id, annotations }) =>
    annotations.flatMap(({ label, measure, value }): Derivation[] => {
      const row = rowOfLabel(label);
      // A label without a group size may mean any.
      const means = (key: string | null) => key === row || (key?.startsWith(`${row}, group`) ?? false);
      const same = claims.filter((claim) =>
        claim.dataset === datasets[measure] && claim.model === "LLaMA-3.1-8B-Instruct" &&
        means(rowKey(claim.method, claim.settings))
      );
      if (same.length === 0) return [];
      // Several tables may have several numbers: one that agrees is enough.
      const nearest = same.reduce((best, claim) =>
        distance(claim, value) < distance(best, value) ? claim : best
      );
      return [{
        ...about("annotation", [nearest], value, nearest.value),
        table: id,
        finding:
          `${label} is annotated with ${value} (${measure}) beside its sample; the table has ${nearest.value}.`,
        tolerance: 0.5 * 10 ** -Math.min(decimals(value), decimals(nearest.value)),
      }];
    })
  );
}

function distance(claim: Claim, value: number): number {
  return Math.abs(claim.value - value);
}

/** `"W4A16(g128) GPTQ(C4) + QRazor"` as the tables write it. */
function rowOfLabel(label: Annotation["label"]): string | null {
  const bits = /avg.bits: ([\d.]+)/.exec(label)?.[1];
  if (bits !== undefined) return rowKey("SpQR", { bits: Number(bits) });
  if (/baseline/i.test(label)) return rowKey("baseline", {});
  const found = /^(W[\d/]+A\d+(?:KV\d+)?|W\d+KV\d+)(?:\(g(\d+)\))? (.+)$/.exec(label);
  const settings: Record<string, Setting> = {};
  if (found === null) {
    const cache = /^(?:KIVI-(\d)|KVQuant-(\d)bit)/.exec(label);
    return rowKey(label, { bits: Number(cache?.[1] ?? cache?.[2]) });
  }
  const [, setting, group, name] = found;
  settings.setting = setting;
  if (group !== undefined) settings.group = Number(group);
  if (/\(wiki\)/i.test(name)) settings.calib = "wikitext2";
  const method = name.replace(/\((wiki|C4)\)/i, "").replaceAll(" ", "").replace(/^SQ$/, "SmoothQuant")
    .replace("RTN()", "RTN");
  return rowKey(method, settings);
}
