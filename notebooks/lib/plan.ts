/**
 * Plans the sweeps of notebooks for other machines: `deno run -A notebooks/lib/plan.ts [--device NAME] [--out FILE] name ...`.
 *
 * Each notebook runs up to its first sweep that lacks stored rows, which goes into the manifest. Where a later sweep depends
 * on an earlier one, plan again once the first has been run. A manifest without cells means that all rows are there.
 */
import { writeAtomic } from "../../base/file.ts";
import { readNumbers } from "../../base/json.ts";
import { commandLine, runCommand, UsageError } from "../../cli/command_line.ts";
import { loadProfile } from "../../eval/cost.ts";
import { formatManifest } from "../../eval/sweep/manifest.ts";
import { planSweeps, type SweepPlan } from "../../eval/sweep/plan.ts";
import { notebookPath, readNotebook } from "./notebook/files.ts";
import { runAsModule } from "./module.ts";

/** The first sweep of a notebook that lacks stored rows, if there is one. */
export async function planNotebook(
  path: string,
  env: Readonly<Record<string, string>> = {},
): Promise<SweepPlan[]> {
  const file = await Deno.makeTempFile({ prefix: "quantbook-plan-" });
  try {
    const { error } = await runAsModule(await readNotebook(path), path, { ...env, QUANTBOOK_PLAN: file });
    const lines = (await Deno.readTextFile(file)).split("\n").filter((line) => line !== "");
    if (error !== null && lines.length === 0) throw new Error(error);
    return lines.map((line) => {
      const plan = readNumbers(line) as Omit<SweepPlan, "windows" | "calibration"> & {
        windows: number[][];
        calibration: number[][];
      };
      const { cells, windows, calibration, execution } = plan;
      const [scored, calibrated] = [windows, calibration].map((all: number[][]) =>
        all.map((ids) => Int32Array.from(ids))
      );
      return { cells, windows: scored, calibration: calibrated, execution };
    });
  } finally {
    await Deno.remove(file);
  }
}

const usage = "usage: plan.ts [--device NAME] [--out FILE] NOTEBOOK...";

async function main(): Promise<number> {
  const { values, positionals } = commandLine(usage, {
    device: { type: "string", default: Deno.env.get("QUANTBOOK_DEVICE") ?? "cpu" },
    out: { type: "string", default: "manifest.jsonl" },
  });
  if (positionals.length === 0) throw new UsageError("no notebook is named", usage);
  const plans: SweepPlan[] = [];
  for (const name of positionals) plans.push(...await planNotebook(notebookPath(name)));
  const manifest = await planSweeps(plans, values.device, await loadProfile(values.device));
  await writeAtomic(values.out, [new TextEncoder().encode(formatManifest(manifest))]);
  console.error(`${values.out}: ${manifest.cells.length} cells`);
  return 0;
}

if (import.meta.main) await runCommand(main);
