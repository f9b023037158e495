/**
 * Runs a sweep with `eval/sweep/templates/slurm.sh` on a real Slurm of one node, and demands the rows of a serial run:
 * `deno run -A bench/slurm_sweep.ts [cells]`, as root, after `apt-get install slurm-wlm munge`. The daemons live in a
 * temporary directory and end with the script. One task is requeued while it runs.
 */
import { assert, assertEquals } from "@std/assert";
import { directoryOf, pathOf } from "../base/file.ts";
import { sweep } from "../eval/sweep.ts";
import type { Row } from "../eval/sweep/cell.ts";
import { formatManifest } from "../eval/sweep/manifest.ts";
import { mergeResults } from "../eval/sweep/merge.ts";
import { planSweeps } from "../eval/sweep/plan.ts";
import { tinyProfile, tinySweep } from "../eval/sweep/tiny_testing.ts";

const root = pathOf(new URL("../", import.meta.url));
const needed = ["munged", "mungekey", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol"];
const wait = (seconds: number) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

async function output(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args], env, cwd: root })
    .output();
  const text = new TextDecoder().decode(stdout);
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${text}${new TextDecoder().decode(stderr)}`);
  return text;
}

for (const program of needed) {
  const found = await output("which", [program]).catch(() => "");
  if (found === "" || Deno.uid() !== 0) {
    console.log(
      `skipped: ${found === "" ? `no ${program} (apt-get install slurm-wlm munge)` : "needs root"}`,
    );
    Deno.exit(0);
  }
}

const directory = await Deno.makeTempDir({ prefix: "slurm" });
// The daemons look at who may write to the directories above their files.
await Deno.chmod(directory, 0o755);
const host = Deno.hostname().split(".")[0];
const port = () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
};
const config = `
ClusterName=quantbook
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${port()}
SlurmdPort=${port()}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=${directory}/munge.socket
CredType=cred/munge
StateSaveLocation=${directory}/state
SlurmdSpoolDir=${directory}/spool
SlurmctldPidFile=${directory}/slurmctld.pid
SlurmdPidFile=${directory}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MinJobAge=3600
NodeName=${host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=16000 State=UNKNOWN
PartitionName=all Nodes=${host} Default=YES MaxTime=INFINITE State=UP
`;
const env = { SLURM_CONF: `${directory}/slurm.conf` };
const daemons: Deno.ChildProcess[] = [];
const start = async (program: string, args: string[]) => {
  const log = await Deno.open(`${directory}/${program}.log`, { create: true, write: true });
  const child = new Deno.Command(program, { args, env, stdout: "piped", stderr: "piped" }).spawn();
  child.stdout.pipeTo(Deno.openSync(`${directory}/${program}.out`, { create: true, write: true }).writable);
  child.stderr.pipeTo(log.writable);
  daemons.push(child);
};

try {
  for (const name of ["state", "spool"]) await Deno.mkdir(`${directory}/${name}`);
  await Deno.writeTextFile(env.SLURM_CONF, config);
  await output("mungekey", ["--create", `--keyfile=${directory}/munge.key`]);
  const files = ["key-file=munge.key", "socket=munge.socket", "pid-file=munged.pid", "seed-file=munge.seed"];
  await start("munged", [
    "--foreground",
    "--force",
    `--log-file=${directory}/munged.file.log`,
    ...files.map((one) => `--${one.replace("=", `=${directory}/`)}`),
  ]);
  while (!await Deno.stat(`${directory}/munge.socket`).then(() => true, () => false)) await wait(0.2);
  await start("slurmctld", ["-D", "-f", env.SLURM_CONF]);
  await start("slurmd", ["-D", "-f", env.SLURM_CONF, "-N", host]);
  for (let state = ""; state !== "idle"; await wait(0.5)) {
    state = (await output("sinfo", ["-h", "-o", "%T"], env).catch(() => "")).trim();
  }
  console.log((await output("sinfo", ["--version"], env)).trim(), "is up");

  const plan = await tinySweep(`${directory}/model`, Number(Deno.args[0] ?? 200));
  const path = `${directory}/manifest.jsonl`, results = `${directory}/results`;
  const manifest = await planSweeps([plan], "cpu", tinyProfile);
  await Deno.writeTextFile(path, formatManifest(manifest));
  const job = (await output("sbatch", [
    "--parsable",
    `--output=${directory}/%a.log`,
    "--open-mode=append",
    "eval/sweep/templates/slurm.sh",
    path,
    results,
  ], { ...env, PATH: `${directoryOf(Deno.execPath())}:${Deno.env.get("PATH")}` })).trim();
  const log = (task: number) => Deno.readTextFile(`${directory}/${task}.log`).catch(() => "");
  while (!(await log(1)).includes("done ")) await wait(0.1);
  await output("scontrol", ["requeue", `${job}_1`], env);
  for (let left = "x"; left !== ""; await wait(1)) {
    left = (await output("squeue", ["-h", "-j", job, "-o", "%T"], env)).trim();
    // A requeued task is held back for two minutes, unless it is let go.
    if (/^PENDING$/m.test(left)) {
      await output("scontrol", ["update", `JobId=${job}_1`, "StartTime=now"], env).catch(() => {});
    }
  }
  const { rows, missing } = await mergeResults(manifest, results, []);
  const logs = (await Promise.all([0, 1, 2, 3].map(log))).join("");
  const measured = logs.match(/^measure \w+/gm)?.length ?? 0;
  assertEquals(missing, []);
  assert(measured <= manifest.cells.length + 1, `${measured} cells were measured, with one task killed`);
  const values = (all: readonly Row[]) => all.map(({ seconds: _, peakBytes: __, ...rest }) => rest);
  assertEquals(values(rows), values(await sweep(plan.cells, { ...plan, results: null })));
  console.log(
    `job ${job}: ${rows.length} rows from 4 tasks, one of them requeued; equal to a serial run bit for bit`,
  );
} finally {
  for (const daemon of daemons.reverse()) {
    try {
      daemon.kill();
    } catch {
      // It has ended already.
    }
    await daemon.status;
  }
  if (!Deno.args.includes("--keep")) await Deno.remove(directory, { recursive: true });
  else console.log(directory);
}
Deno.exit();
