/**
 * The performance gate: `deno task gate [REVISION] [--plant FACTOR]`. The kernels of the working tree and those of a git
 * revision (`main` by default) run in this process in turns on the same work; the exit code is 1 when one of them became
 * slower. Pairs are added until the 99.9% interval of the median ratio lies on one side of the limit (1.095), so that
 * a noisy machine takes longer and decides the same. `--plant 1.2` compares the working tree with a copy of itself whose
 * inner loop of products does 1.2 times the work: the gate must find the kernels that use it, and no others.
 */

import type { cpuDevice } from "../kernels/cpu/device.ts";
import { pathToFileURL } from "node:url";
import { pathOf } from "../base/file.ts";
import { plantSlowdown } from "./gate/plant.ts";
import { gateWork } from "./gate/work.ts";
import { judge, type Verdict } from "./gate/verdict.ts";
import { repetitionsOf, timeOnce, type Work } from "./measure.ts";

/** Pairs between two looks at the interval, and the most that are taken. */
const step = 25, most = 600;

const root = new URL("../", import.meta.url);

/** `kernels/` as it was at a revision, and `base/` where it had one, in a folder of its own. */
async function checkOut(revision: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "quantbook-gate-" });
  const script = 'cd "$1" && git archive "$2" kernels $(git ls-tree --name-only "$2" base) | tar -x -C "$3"';
  const { success, stderr } = await new Deno.Command("bash", {
    args: ["-o", "pipefail", "-c", script, "gate", pathOf(root), revision, folder],
  }).output();
  if (success) return folder;
  await Deno.remove(folder, { recursive: true });
  throw new Error(`no kernels at revision "${revision}": ${new TextDecoder().decode(stderr).trim()}`);
}

/** Adds pairs until they decide. */
async function compare(candidate: Work, baseline: Work): Promise<Verdict & { pairs: number }> {
  const repetitions = Math.max(await repetitionsOf(candidate), await repetitionsOf(baseline));
  const times: [number[], number[]] = [[], []];
  const works = [candidate, baseline];
  for (;;) {
    for (let pair = 0; pair < step; pair++) {
      for (const i of pair % 2 ? [0, 1] : [1, 0]) times[i].push(await timeOnce(works[i], repetitions));
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

const planted = factor > 1;
const folder = planted ? await plantSlowdown(root, factor) : await checkOut(revision);
const elsewhere = pathToFileURL(`${folder}/`);
const [candidateAt, baselineAt] = planted ? [elsewhere, root] : [root, elsewhere];
let slower = 0;
try {
  const load = async (from: URL | string) => {
    const url = new URL("kernels/cpu/device.ts", from);
    const module: { cpuDevice: typeof cpuDevice } = await import(url.href);
    return gateWork(await module.cpuDevice({ threads: 1 }));
  };
  const candidate = await load(candidateAt), baseline = await load(baselineAt);
  const table: Record<string, Record<string, string | number>> = {};
  for (const [name, work] of Object.entries(candidate)) {
    const { ratio, low, high, pairs, ...verdict } = await compare(work, baseline[name]);
    if (verdict.slower) slower++;
    table[name] = {
      "time over baseline": ratio.toFixed(3),
      "99.9% interval": `${low.toFixed(3)} to ${high.toFixed(3)}`,
      pairs,
      verdict: `${verdict.slower ? "SLOWER" : "ok"}${verdict.decided ? "" : " (by the median)"}`,
    };
  }
  const against = planted
    ? `a planted slowdown of ${factor} against none`
    : `the working tree against ${revision}`;
  console.log(`kernels, ${against}, one thread`);
  console.table(table);
} finally {
  await Deno.remove(folder, { recursive: true });
}
if (slower > 0) {
  console.error(
    `${slower} kernel${slower > 1 ? "s are" : " is"} slower than ${
      planted ? "without the slowdown" : `at ${revision}`
    }`,
  );
  Deno.exit(1);
}
