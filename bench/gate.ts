/**
 * The performance gate: `deno task gate [REVISION] [--plant FACTOR]`. The kernels of the working tree and those of a git
 * revision (`main` by default) run in this process in turns on the same work; the exit code is 1 when one of them became
 * slower. Pairs are added until the 99.9% interval of the median ratio lies on one side of the limit (1.095), so that
 * a noisy machine takes longer and decides the same. `--plant 1.2` gives the working tree six runs for every five of
 * the revision's: a slowdown that the gate must find.
 */

import type { cpuDevice } from "../kernels/cpu/device.ts";
import { gateWork } from "./gate_work.ts";
import { judge, type Verdict } from "./gate_verdict.ts";
import { repetitionsOf, timeOnce, type Work } from "./measure.ts";

/** Pairs between two looks at the interval, and the most that are taken. */
const step = 25, most = 600;

/** `kernels/` as it was at a revision, in a folder of its own. */
async function checkOut(revision: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "quantbook-gate-" });
  const root = new URL("../", import.meta.url).pathname;
  const script = 'git -C "$1" archive "$2" kernels | tar -x -C "$3"';
  const { success, stderr } = await new Deno.Command("bash", {
    args: ["-o", "pipefail", "-c", script, "gate", root, revision, folder],
  }).output();
  if (success) return folder;
  await Deno.remove(folder, { recursive: true });
  throw new Error(`no kernels at revision "${revision}": ${new TextDecoder().decode(stderr).trim()}`);
}

/** Adds pairs until they decide. `factor` times as much work for the candidate. */
async function compare(
  candidate: Work,
  baseline: Work,
  factor: number,
): Promise<Verdict & { pairs: number }> {
  // Multiples of five, so that a factor of 1.2 is a whole number of runs.
  const repetitions = 5 *
    Math.ceil(Math.max(await repetitionsOf(candidate), await repetitionsOf(baseline)) / 5);
  const times: [number[], number[]] = [[], []];
  const runs = [[candidate, Math.round(factor * repetitions)], [baseline, repetitions]] as const;
  for (;;) {
    for (let pair = 0; pair < step; pair++) {
      for (const i of pair % 2 ? [0, 1] : [1, 0]) times[i].push(await timeOnce(...runs[i]));
    }
    const verdict = judge(...times), pairs = times[0].length;
    if (verdict.decided || pairs >= most) return { ...verdict, pairs };
  }
}

const plant = Deno.args.indexOf("--plant");
const factor = plant < 0 ? 1 : Number(Deno.args[plant + 1]);
const revision = Deno.args.find((arg, i) => !arg.startsWith("--") && (plant < 0 || i !== plant + 1)) ??
  "main";
if (!(factor >= 1 && factor <= 10)) throw new RangeError(`--plant is ${factor}: expected a factor, 1 to 10`);

const folder = await checkOut(revision);
let slower = 0;
try {
  const load = async (url: URL | string) => {
    const module: { cpuDevice: typeof cpuDevice } = await import(url.toString());
    return gateWork(await module.cpuDevice({ threads: 1 }));
  };
  const candidate = await load(new URL("../kernels/cpu/device.ts", import.meta.url));
  const baseline = await load(`file://${folder}/kernels/cpu/device.ts`);
  const table: Record<string, Record<string, string | number>> = {};
  for (const [name, work] of Object.entries(candidate)) {
    const { ratio, low, high, pairs, ...verdict } = await compare(work, baseline[name], factor);
    if (verdict.slower) slower++;
    table[name] = {
      "time over baseline": ratio.toFixed(3),
      "99.9% interval": `${low.toFixed(3)} to ${high.toFixed(3)}`,
      pairs,
      verdict: `${verdict.slower ? "SLOWER" : "ok"}${verdict.decided ? "" : " (by the median)"}`,
    };
  }
  console.log(
    `kernels of the working tree against ${revision}, one thread${
      factor > 1 ? `, ${factor} times the work` : ""
    }`,
  );
  console.table(table);
} finally {
  await Deno.remove(folder, { recursive: true });
}
if (slower > 0) {
  console.error(`${slower} kernel${slower > 1 ? "s are" : " is"} slower than at ${revision}`);
  Deno.exit(1);
}
