/** The command line: what it prints, and its exit codes. */
import { assert, assertEquals } from "@std/assert";
import { tinySweep } from "../eval/sweep/tiny_testing.ts";

const root = new URL("../", import.meta.url);

async function call(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "cli/main.ts", "sweep", ...args],
    cwd: root,
    env: { QUANTBOOK_THREADS: "1", NO_COLOR: "1" },
  });
  const { code, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out, stderr: err };
}

Deno.test("plan, status, run, merge", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const { cells } = await tinySweep(`${directory}/model`, 3);
    const grid = `${directory}/grid.ts`,
      manifest = `${directory}/manifest.jsonl`,
      results = `${directory}/results`;
    await Deno.writeTextFile(
      grid,
      `import { corpus } from ${JSON.stringify(new URL("mod.ts", root).href)};
       export default { cells: ${
        JSON.stringify(cells)
      }, windows: await corpus("sotu", { windows: 2, length: 16 }) };`,
    );
    const plan = await call("plan", grid, "--out", manifest);
    assertEquals(plan.code, 0, plan.stderr);
    assert(
      /: 3 cells, [\d.]+ s on one device of this kind, at most 0\.0\d GiB on the device/.test(plan.stdout),
    );
    const before = await call("status", manifest, "--results", results);
    assertEquals(before.code, 1);
    assert(
      before.stdout.startsWith("0 of 3 cells done in 0.0 s, 3 waiting, 0 failed; about "),
      before.stdout,
    );
    const run = await call("run", manifest, "--results", results);
    assertEquals([run.code, run.stdout.match(/^done \w{64} W2A\w+ channel$/gm)?.length], [0, 3]);
    const merge = await call("merge", manifest, "--into", `${directory}/merged`, results);
    assertEquals([merge.code, merge.stdout.trim().split("\n").length], [0, 4]);
    assertEquals((await call("status", manifest, "--results", `${directory}/merged`)).code, 0);

    await Deno.writeTextFile(manifest, "nonsense");
    const bad = await call("run", manifest, "--results", results);
    assertEquals([bad.code, bad.stderr.split(":")[0]], [2, "line 1 is not JSON"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("wrong calls and grids are told in a sentence, exit code 2", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const empty = `${directory}/empty.ts`, other = `${directory}/other.ts`;
    await Deno.writeTextFile(empty, "export const cells = [];");
    await Deno.writeTextFile(other, "export default [{ cells: [] }];");
    const cases: [string, ...string[]][] = [
      ["action is dance: expected plan, run, merge, status", "dance", empty],
      ["action is stats: did you mean status?", "stats", empty],
      ["missing required argument 'FILE'", "run"],
      ["unknown option '--shards': did you mean --shard?", "run", empty, "--shards", "0/2"],
      ["must export by default the arguments of sweep", "plan", empty],
      ["must export by default the arguments of sweep", "plan", other],
      ["nothing.ts is not there: expected a file or a directory", "plan", `${directory}/nothing.ts`],
    ];
    for (const [message, ...args] of cases) {
      const { code, stdout, stderr } = await call(...args);
      assertEquals([code, stdout], [2, ""], stderr);
      assert(stderr.includes(message) && !stderr.includes("    at "), stderr);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
