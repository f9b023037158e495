/**
 * Whether the tests notice: changes one place of a source file at a time and runs the tests beside it, in a copy of the project.
 *
 *     deno task mutate [--only quant/,model/] [--count 60] [--seed 1] [--state FILE]
 *
 * A run that is killed goes on from the state file. Survivors are printed as file, line and change; those that change no result stand in
 * `equivalent.json` with the reason. Exit code 1 where another one survived.
 */
import { parseArgs } from "node:util";
import { directoryOf, makeDirectory, pathOf } from "../../base/file.ts";
import { hashOf } from "../../base/hash.ts";
import equivalent from "./equivalent.json" with { type: "json" };
import { copyOf, Mutator, plantedIn, projectFiles, sampleOf, type Verdict } from "./run.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    only: { type: "string", default: "quant/,model/,eval/metrics/,eval/statistics.ts" },
    count: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    state: { type: "string" },
  },
});
const count = Number(values.count), seed = Number(values.seed), prefixes = values.only.split(",");
if (!(Number.isSafeInteger(count) && count > 0 && Number.isSafeInteger(seed) && seed >= 0)) {
  console.error("usage: deno task mutate [--only quant/,model/] [--count 60] [--seed 1] [--state FILE]");
  Deno.exit(2);
}

const root = pathOf(new URL("../../", import.meta.url)).replace(/\/$/, "");
const files = await projectFiles(root), all = await plantedIn(root, files, prefixes);
if (all.length === 0) {
  console.error(`--only is ${values.only}: nothing in these files can be changed`);
  Deno.exit(2);
}
const sample = sampleOf(all, count, seed);
const state = values.state ?? `${root}/.quantbook/mutation/${hashOf([prefixes, seed]).slice(0, 12)}.jsonl`;
await makeDirectory(directoryOf(state));

/** What an earlier run has done. */
const known = new Map<string, Verdict>();
const nameOf = ({ path, start, text, before }: Pick<Verdict, "path" | "start" | "text" | "before">) =>
  JSON.stringify([path, start, text, before]);
for (const line of (await Deno.readTextFile(state).catch(() => "")).split("\n")) {
  try {
    const verdict: Verdict = JSON.parse(line);
    known.set(nameOf(verdict), verdict);
  } catch {
    // The line that a killed run left unfinished.
  }
}

const verdicts: Verdict[] = [];
{
  await using copy = await copyOf(root, files);
  const mutator = await Mutator.open(copy.root, files, (line) => console.error(line));
  // The copy goes, and so do the tests.
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => mutator.stop());
  for (const [i, mutant] of sample.entries()) {
    const done = known.get(nameOf(mutant));
    const verdict = done?.stamp === await mutator.stamp(mutant) ? done : await mutator.run(mutant);
    if (verdict === null) break;
    if (verdict !== done) await Deno.writeTextFile(state, JSON.stringify(verdict) + "\n", { append: true });
    verdicts.push(verdict);
    console.error(`${i + 1}/${sample.length} ${verdict.fate} ${mutant.path}:${mutant.line} ${mutant.kind}`);
  }
}
if (verdicts.length < sample.length) {
  console.error(`stopped after ${verdicts.length} of ${sample.length}: the same command goes on there`);
  Deno.exit(130);
}

const reasons = new Map(
  equivalent.map(({ path, before, after, why }) => [JSON.stringify([path, before, after]), why]),
);
const whyOf = ({ path, before, after }: Verdict) =>
  reasons.get(JSON.stringify([path, before.trim(), after.trim()]));
const survivors = verdicts.filter(({ fate }) => fate === "survived");
const holes = survivors.filter((one) => whyOf(one) === undefined);
for (const one of survivors) {
  const why = whyOf(one);
  console.log(`${one.path}:${one.line} ${one.kind}${why === undefined ? "" : `: changes no result: ${why}`}`);
  console.log(one.before.split("\n").map((line) => `- ${line}`).join("\n"));
  console.log(one.after.split("\n").map((line) => `+ ${line}`).join("\n"));
}
const died = verdicts.length - survivors.length, changing = died + holes.length;
console.log(
  `${verdicts.length} of ${all.length} mutants: ${died} died, ${
    survivors.length - holes.length
  } change no result, ` +
    `${holes.length} survived; of those that change a result ${(100 * died / changing).toFixed(1)}% died`,
);
Deno.exit(holes.length > 0 ? 1 : 0);
