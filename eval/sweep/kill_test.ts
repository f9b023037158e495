/** 200 cells, four processes, kills at random: nothing is lost, nothing is wrong, nothing is done twice without need. */
import { assert, assertEquals } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { defaultDevice } from "../../kernels/default.ts";
import { PythonRandom } from "../../base/random.ts";
import { sweep } from "../sweep.ts";
import type { Row } from "./cell.ts";
import { formatManifest, parseManifest } from "./manifest.ts";
import { mergeResults, sweepStatus } from "./merge.ts";
import { planSweeps } from "./plan.ts";
import { tinyProfile, tinySweep } from "./tiny_testing.ts";

const root = pathOf(new URL("../../", import.meta.url));
const values = (rows: readonly Row[]) => rows.map(({ seconds: _, peakBytes: __, ...rest }) => rest);

Deno.test("200 cells over 4 processes with SIGKILLs give the rows of a serial run, bit for bit", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const plan = await tinySweep(`${directory}/model`, 200);
    const path = `${directory}/manifest.jsonl`;
    await Deno.writeTextFile(
      path,
      formatManifest(await planSweeps([plan], (await defaultDevice()).name, tinyProfile)),
    );
    const manifest = parseManifest(await Deno.readTextFile(path));
    assertEquals(manifest.cells.length, 200);
    const results = `${directory}/results`;

    // Two shards, each in two processes at once, which must not do the same work.
    const random = new PythonRandom(7);
    const kills: string[] = [];
    const started = new Map<string, number>();
    const runUntilDone = async (shard: string, killsLeft: number) => {
      for (let attempt = 0; attempt <= killsLeft; attempt++) {
        const child = new Deno.Command(Deno.execPath(), {
          args: [
            "run",
            "-A",
            "--no-check",
            "cli/main.ts",
            "sweep",
            "run",
            path,
            "--shard",
            shard,
            "--results",
            results,
          ],
          cwd: root,
          env: { QUANTBOOK_THREADS: "1" },
          stdout: "piped",
          stderr: "inherit",
        }).spawn();
        // The last attempt is left alone; the others die some lines after their first cell.
        const linesToLive = attempt === killsLeft ? Infinity : random.randint(1, 24);
        let last = "", lines = 0;
        for await (const line of linesOf(child.stdout)) {
          if (line.startsWith("measure ")) started.set(keyOf(line), (started.get(keyOf(line)) ?? 0) + 1);
          last = line;
          if (++lines === linesToLive) kill(child);
        }
        const { code, signal } = await child.status;
        if (signal !== "SIGKILL") return assertEquals(code, 0);
        kills.push(last.startsWith("measure ") ? keyOf(last) : "between cells");
      }
    };
    await Promise.all(
      [["0/2", 3], ["0/2", 2], ["1/2", 3], ["1/2", 2]].map(([shard, n]) => runUntilDone(`${shard}`, +n)),
    );

    assert(kills.length >= 4, `only ${kills.length} processes were killed`);
    for (const [key, times] of started) {
      const killed = kills.filter((one) => one === key).length;
      assert(times <= 1 + killed, `${key} was measured ${times} times, and killed ${killed} times`);
    }
    assertEquals(started.size, 200);
    assertEquals((await sweepStatus(manifest, results)).done, 200);
    const { rows, missing } = await mergeResults(manifest, results, []);
    assertEquals(missing, []);
    assertEquals(values(rows), values(await sweep(plan.cells, { ...plan, results: null })));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It was done before we had read its last lines.
    if (!(error instanceof TypeError)) throw error;
  }
}

const keyOf = (line: string) => line.split(" ")[1];

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
