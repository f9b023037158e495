/** Whatever writes says that the disk does not take it, with the reason, and leaves nothing half. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DiskError } from "../base/disk.ts";
import { namesIn, pathOf } from "../base/file.ts";
import { openLog } from "../eval/tasks/log.ts";
import { TaskError } from "../eval/tasks/error.ts";
import { openStore } from "../eval/store.ts";
import { ResultsError } from "../eval/store/contract.ts";
import { exportModel, loadModel } from "../mod.ts";

const root = new URL("..", import.meta.url);

Deno.test("where a file stands in the way of a directory, the error names the path and the reason", async () => {
  const directory = await Deno.makeTempDir(), file = `${directory}/file`;
  try {
    await Deno.writeTextFile(file, "");
    using model = await loadModel("fixture:llama");
    const exported = await assertRejects(
      () => exportModel(model, `${file}/x`, { format: "gguf" }),
      DiskError,
    );
    assertEquals(exported.code, "disk");
    const store = await openStore(file);
    const stored = [
      await assertRejects(() => store.write("a", 1), ResultsError),
      await assertRejects(() => store.claim("a")),
    ];
    for (const error of [exported, ...stored]) {
      assert(error instanceof Error);
      assertStringIncludes(error.message, file);
      assert(/a file stands|not a directory/.test(error.message), error.message);
    }
    const read = await assertRejects(() => store.read("a"), ResultsError);
    assertEquals(read.code, "unreadable");
    let log: unknown;
    try {
      openLog(`${directory}/none/log.jsonl`, {});
    } catch (error) {
      log = error;
    }
    assert(log instanceof TaskError && log.message.includes("cannot be written"), String(log));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test({
  name: "where there is no room, exports, stores and logs say so and leave nothing half",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const directory = await Deno.makeTempDir();
    const script = `
      import { exportModel, loadModel } from "${new URL("mod.ts", root).href}";
      import { openStore } from "${new URL("eval/store.ts", root).href}";
      import { openLog } from "${new URL("eval/tasks/log.ts", root).href}";
      const [directory] = Deno.args, long = "x".repeat(1_000_000);
      const said = async (work) => console.log(await work().then(() => "no error", (e) => e.code + " " + e.message));
      using model = await loadModel("fixture:llama");
      await said(() => exportModel(model, directory + "/export", { format: "gguf" }));
      const store = await openStore(directory + "/store");
      await said(() => store.write("row", long));
      using log = openLog(directory + "/log.jsonl", {});
      log.add({ id: 1 });
      await said(async () => log.add({ id: 2, long }));
    `;
    try {
      const file = `${directory}/script.ts`, config = pathOf(new URL("deno.json", root));
      await Deno.writeTextFile(file, script);
      const args = ["run", "-A", "--no-check", "--quiet", "--config", config, file, directory];
      const { stdout, stderr } = await new Deno.Command("sh", {
        args: ["-c", `trap '' XFSZ; ulimit -f 600; exec "$@"`, "sh", Deno.execPath(), ...args],
        env: { QUANTBOOK_THREADS: "1" },
      }).output();
      const lines = new TextDecoder().decode(stdout).trim().split("\n");
      assertEquals(
        lines.map((line) => line.split(" ")[0]),
        ["disk", "unwritable", "log"],
        new TextDecoder().decode(stderr),
      );
      for (const line of lines) assertStringIncludes(line, "larger than the system allows");
      assertEquals(await namesIn(`${directory}/export`), []);
      assertEquals(await namesIn(`${directory}/store`), []);
      // What a run that goes on reads: the line that has no end is dropped.
      using again = openLog(`${directory}/log.jsonl`, {});
      assertEquals([...again.done.keys()], [1]);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
