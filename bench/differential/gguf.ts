/**
 * Runs the cases that `gguf.py` wrote: `deno run -A bench/differential/gguf.ts CASES_DIR [--record]`. Each file is loaded as its makers'
 * own tools load it, or refused by the name of the field; another number is a silent difference. With `--record` the counts go to
 * `bench/results/differential-gguf.json`.
 */
import { loadModel } from "../../mod.ts";
import { QuantbookError } from "../../base/error.ts";
import type { GgufCase, Verdict } from "./gguf_case_testing.ts";
import { judge } from "./gguf_case_testing.ts";

const [directory] = Deno.args.filter((one) => !one.startsWith("--"));
const lines = (await Deno.readTextFile(`${directory}/cases.jsonl`)).trim().split("\n");
const counts: Record<Verdict["kind"], number> = { equal: 0, refused: 0, different: 0 };
const reasons: Record<string, number> = {}, architectures: Record<string, number> = {};
let worst = 0;
for (const line of lines) {
  const one: GgufCase = JSON.parse(line);
  const verdict = await run(one);
  counts[verdict.kind]++;
  architectures[one.modelType] = (architectures[one.modelType] ?? 0) + 1;
  if (verdict.kind === "equal") worst = Math.max(worst, verdict.distance);
  if (verdict.kind === "refused") reasons[verdict.reason] = (reasons[verdict.reason] ?? 0) + 1;
  if (verdict.kind === "different" || (verdict.kind === "refused" && one.planted === null)) {
    console.log(one.seed, one.modelType, one.rope, verdict.kind === "refused" ? verdict.message : verdict);
  }
}
console.log(counts, `largest difference ${worst} deviations`);
if (Deno.args.includes("--record")) {
  const first = JSON.parse(lines[0]).seed;
  const record = {
    how:
      "python bench/differential/gguf.py DIR FIRST COUNT, then deno run -A bench/differential/gguf.ts DIR --record",
    oracle: "transformers 5.24.0 on the values that gguf 0.19.0 decodes",
    date: new Date().toISOString().slice(0, 10),
    first,
    cases: lines.length,
    ...counts,
    largestDifferenceInDeviations: worst,
    architectures: Object.fromEntries(Object.entries(architectures).sort()),
    refusedFor: Object.fromEntries(Object.entries(reasons).sort((a, b) => b[1] - a[1])),
  };
  const path = new URL("../results/differential-gguf.json", import.meta.url);
  await Deno.writeTextFile(path, `${JSON.stringify(record, null, 1)}\n`);
}

async function run(one: GgufCase): Promise<Verdict> {
  const ending = one.ending || one.split > 0 ? ".gguf" : "";
  const stem = `${directory}/${one.seed}`;
  const path = await Deno.stat(`${stem}${ending}`).then(() => `${stem}${ending}`, async () => {
    const names = Array.fromAsync(Deno.readDir(directory), ({ name }) => name);
    const parts = (await names).filter((name) => name.startsWith(`${one.seed}-`)).sort();
    return `${directory}/${parts.at(-1)}`;
  });
  try {
    using model = await loadModel(path);
    const logits = await model.logits(Int32Array.from(one.ids));
    const stored = await Deno.readFile(`${stem}.f32`).catch(() => null);
    return judge(one, logits, stored && new Float32Array(stored.buffer));
  } catch (error) {
    if (!(error instanceof QuantbookError)) throw error;
    return judge(one, error);
  }
}
