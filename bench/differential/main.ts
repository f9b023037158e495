/**
 * Differential tests against the makers' own tools.
 *
 *     deno task differential models [--first 0] [--count 1000] [--workers 1] [--record]
 *
 * Runs the Python side (`QUANTBOOK_PYTHON`, default `python3`; see README.md for its packages) and our side, prints what
 * differs and how many cases were equal, refused or different. `--record` writes that to
 * `bench/results/differential-models.json`, and adds to what stands there if the run goes on where that one ended. The exit
 * code is 1 where something differs.
 */
import { parseArgs } from "node:util";
import { add, casesIn, emptyTally, type Tally } from "./models.ts";

const usage =
  "usage: deno task differential models [--first 0] [--count 1000] [--workers 1] [--record]; for the others see bench/differential/README.md";
const { values, positionals: [sort] } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    first: { type: "string", default: "0" },
    count: { type: "string", default: "1000" },
    workers: { type: "string", default: "1" },
    record: { type: "boolean", default: false },
  },
});
const [first, count, workers] = [values.first, values.count, values.workers].map(Number);
if (sort !== "models" || ![first, count, workers].every((one) => Number.isInteger(one) && one >= 0)) {
  console.error(usage);
  Deno.exit(2);
}

const python = Deno.env.get("QUANTBOOK_PYTHON") ?? "python3";
const folder = new URL(".", import.meta.url);
const tally = emptyTally();
const start = performance.now();

/** One Python process, whose cases are judged as they come. */
async function run(from: number, to: number): Promise<void> {
  const command = new Deno.Command(python, {
    args: ["models.py", String(from), String(to)],
    cwd: folder,
    stdout: "piped",
    stderr: "null",
  });
  await using process = command.spawn();
  for await (const one of casesIn(process.stdout)) await add(one, tally);
}

const bounds = Array.from({ length: workers + 1 }, (_, i) => first + Math.round(i * count / workers));
await Promise.all(Array.from({ length: workers }, (_, i) => run(bounds[i], bounds[i + 1])));
const seconds = Math.round((performance.now() - start) / 1000);
for (const line of tally.different) console.error(line);
const report = {
  first,
  count,
  seconds,
  judge: "transformers 5.24.0, torch 2.13.0, float32",
  ...sorted(tally),
};
console.log(JSON.stringify({ ...report, different: tally.different.length }, null, 1));
if (values.record) {
  const file = new URL("../results/differential-models.json", folder);
  const before = await Deno.readTextFile(file).then(JSON.parse, () => undefined);
  const total = before?.first + before?.count === first ? together(before, report) : report;
  await Deno.writeTextFile(file, `${JSON.stringify(total, null, 1)}\n`);
}
Deno.exit(tally.different.length > 0 ? 1 : 0);

/** A run that goes on where another ended, and that one. */
function together(before: typeof report, after: typeof report): typeof report {
  const sums = (key: "equalByType" | "refused" | "told") => {
    const keys = new Set([...Object.keys(before[key]), ...Object.keys(after[key])]);
    return Object.fromEntries(
      [...keys].map((name) => [name, (before[key][name] ?? 0) + (after[key][name] ?? 0)]),
    );
  };
  return {
    ...after,
    first: before.first,
    count: before.count + after.count,
    seconds: before.seconds + after.seconds,
    ...sorted({
      equal: before.equal + after.equal,
      worst: Math.max(before.worst, after.worst),
      refusedByLibrary: before.refusedByLibrary + after.refusedByLibrary,
      equalByType: sums("equalByType"),
      refused: sums("refused"),
      told: sums("told"),
      different: [...before.different, ...after.different],
    }),
  };
}

/** Reasons by how often they stand, and the share of refusals. */
function sorted({ refused, equalByType, ...rest }: Tally) {
  const entries = Object.entries(refused).sort(([, a], [, b]) => b - a);
  const total = entries.reduce((sum, [, one]) => sum + one, 0);
  const told = Object.values(rest.told).reduce((sum, one) => sum + one, 0);
  const judged = rest.equal + total + told + rest.different.length;
  return {
    cases: judged,
    ...rest,
    refusedShare: Number((total / Math.max(1, judged)).toFixed(4)),
    refused: Object.fromEntries(entries),
    equalByType: Object.fromEntries(Object.entries(equalByType).sort()),
  };
}
