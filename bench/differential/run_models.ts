/** Runs the decoders of `models.py` with several Python processes, and records what came out. */
import { add, casesIn, emptyTally, type Tally } from "./models.ts";

/** Which seeds, and how. */
export interface Range {
  readonly first: number;
  readonly count: number;
  readonly workers: number;
  readonly record: boolean;
}

const folder = new URL(".", import.meta.url);

/** Prints what differs and how many cases were equal, told, refused or different; returns the number of differences. */
export async function runModels(python: string, { first, count, workers, record }: Range): Promise<number> {
  const tally = emptyTally(), start = performance.now();
  const bounds = Array.from({ length: workers + 1 }, (_, i) => first + Math.round(i * count / workers));
  await Promise.all(bounds.slice(1).map((to, i) => run(python, bounds[i], to, tally)));
  for (const line of tally.different) console.error(line);
  const seconds = Math.round((performance.now() - start) / 1000);
  const judge = "transformers 5.24.0, torch 2.13.0, float32";
  const report = { first, count, seconds, judge, ...sorted(tally) };
  console.log(JSON.stringify({ ...report, different: tally.different.length }, null, 1));
  if (record) await addToRecord(report);
  return tally.different.length;
}

/** One Python process, whose cases are judged as they come. */
async function run(python: string, from: number, to: number, tally: Tally): Promise<void> {
  const args = ["models.py", String(from), String(to)];
  const command = new Deno.Command(python, { args, cwd: folder, stdout: "piped", stderr: "null" });
  await using process = command.spawn();
  for await (const one of casesIn(process.stdout)) await add(one, tally);
}

type Report = { first: number; count: number; seconds: number; judge: string } & ReturnType<typeof sorted>;

/** A run that goes on where the recorded one ended is added to it. */
async function addToRecord(report: Report): Promise<void> {
  const file = new URL("../results/differential-models.json", folder);
  const before: Report | undefined = await Deno.readTextFile(file).then(JSON.parse, () => undefined);
  const goesOn = before !== undefined && before.first + before.count === report.first;
  await Deno.writeTextFile(file, `${JSON.stringify(goesOn ? together(before, report) : report, null, 1)}\n`);
}

/** A run that goes on where another ended, and that one. */
function together(before: Report, after: Report): Report {
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
