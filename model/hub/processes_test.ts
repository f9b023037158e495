/** Several processes, ours and Python's, load one model into one cache at once; some are killed, some have no room. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { hubDirectory } from "../hub.ts";
import { commit, type FakeHub, fakeHub, withHubEnvironment } from "./server_testing.ts";

const fixture = pathOf(new URL("../../fixtures/models/llama", import.meta.url));
const script = pathOf(new URL("process_testing.ts", import.meta.url));
const config = pathOf(new URL("../../deno.json", import.meta.url));
const name = "someone/tiny-llama";
const ours = [Deno.execPath(), "run", "-A", "--no-check", "--quiet", "--config", config, script, name];

/** Runs with a fresh cache and a hub whose weights take about half a second. */
async function withSlowHub(run: (hub: FakeHub, folder: string) => Promise<void>): Promise<void> {
  await using hub = await fakeHub(name, fixture);
  hub.faults.push({ path: "model.safetensors", kind: { slow: 50 }, times: 9 });
  await withHubEnvironment(hub.endpoint, (cache) => run(hub, `${cache}/models--someone--tiny-llama`));
}

function start([program, ...args]: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(program, { args, stdout: "piped", stderr: "piped" }).spawn();
}

/** What a process prints to its end. */
async function outputOf(process: Deno.ChildProcess): Promise<string> {
  const { stdout, stderr, success } = await process.output();
  const [said, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return success ? said.trim() : said + errors;
}

/** The same bytes as the hub's, and nothing half. */
async function assertWhole(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(fixture)) {
    const path = `${folder}/snapshots/${commit}/${name}`;
    const here = await Deno.readFile(path).catch(() => null);
    if (here !== null) assertEquals(here, await Deno.readFile(`${fixture}/${name}`), name);
  }
  await Deno.stat(`${folder}/snapshots/${commit}/model.safetensors`);
  const left = await Array.fromAsync(Deno.readDir(`${folder}/blobs`), ({ name }) => name);
  assertEquals(left.filter((one) => !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(one)), []);
  assertEquals(await Deno.readTextFile(`${folder}/refs/main`), commit);
}

/** Waits until somebody has begun with the weights, and has so many bytes of them. */
async function begun(folder: string, least: number): Promise<void> {
  for (const end = performance.now() + 30_000; performance.now() < end;) {
    const names = await Array.fromAsync(Deno.readDir(`${folder}/blobs`), ({ name }) => name).catch(() => []);
    const partial = names.find((one) => /^[0-9a-f]{64}\..*incomplete$/.test(one));
    if (partial && ((await Deno.stat(`${folder}/blobs/${partial}`).catch(() => null))?.size ?? 0) >= least) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`nobody begins with the weights in ${folder}`);
}

const weights = (hub: FakeHub) => hub.requests.filter((one) => one.includes("model.safetensors"));

Deno.test("three processes load a model for the first time, and it is downloaded once", async () => {
  await withSlowHub(async (hub, folder) => {
    const children = [start(ours), start(ours)];
    const directory = `${folder}/snapshots/${commit}`;
    assertEquals(await hubDirectory(name), directory);
    for (const child of children) assertEquals(await outputOf(child), `in ${directory}`);
    assertEquals(weights(hub).length, 1);
    await assertWhole(folder);
  });
});

Deno.test("where one is killed, the one that waits goes on from what had arrived", async () => {
  await withSlowHub(async (hub, folder) => {
    const killed = start(ours);
    await begun(folder, 1);
    const waiting = hubDirectory(name);
    killed.kill("SIGKILL");
    await killed.output();
    await waiting;
    const [first, second, ...more] = weights(hub);
    assert(
      !first.includes("bytes=") && /bytes=[1-9]/.test(second) && more.length === 0,
      weights(hub).join("\n"),
    );
    await assertWhole(folder);
  });
});

Deno.test({
  name: "no room for a file is said to be that, at once, and nothing of it stays",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await withSlowHub(async (hub, folder) => {
      const limited = `trap '' XFSZ; ulimit -f 600; exec "$@"`;
      const said = await outputOf(start(["sh", "-c", limited, "sh", ...ours]));
      assert(said.startsWith("disk: "), said);
      assertStringIncludes(said, "larger than the system allows");
      assertEquals(weights(hub).length, 1);
      const left = await Array.fromAsync(Deno.readDir(`${folder}/blobs`), (one) => one.name);
      assertEquals(left.filter((one) => one.endsWith(".incomplete")), []);
    });
  },
});

Deno.test({
  name: "a full disk is said to be that, at once, and nothing of the file stays",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await withSlowHub(async (hub, folder) => {
      await Deno.mkdir(folder, { recursive: true });
      // In a name space of its own, so that nobody has to unmount it.
      const small = `mount -t tmpfs -o size=600k tmpfs "$0" && "$@" && ls -R "$0"`;
      const child = start(["unshare", "-rm", "sh", "-c", small, folder, ...ours]);
      const said = await outputOf(child).catch(String);
      if (!said.startsWith("disk: ")) {
        assert(!/^(in|network|busy)/.test(said), said);
        return console.log(`skipped: no small file system can be mounted here (${said.slice(0, 100)})`);
      }
      assertStringIncludes(said, "the disk is full");
      assert(!said.includes(".incomplete\n"), said);
      assertEquals(weights(hub).length, 1);
    });
  },
});

Deno.test({
  name: "a read-only cache serves what it has, and says that it is read-only for what it lacks",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await withSlowHub(async (hub, folder) => {
      const directory = await hubDirectory(name), cache = folder.slice(0, folder.lastIndexOf("/"));
      const sealed = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"`;
      const run = () => outputOf(start(["unshare", "-rm", "sh", "-c", sealed, cache, ...ours])).catch(String);
      const said = await run();
      if (!said.startsWith("in ")) {
        assert(!/^(disk|network|busy)/.test(said), said);
        return console.log(`skipped: nothing can be mounted here (${said.slice(0, 100)})`);
      }
      assertEquals(said, `in ${directory}`);
      await Deno.remove(`${directory}/config.json`);
      const error = await run();
      assert(error.startsWith("disk: ") && error.includes("read-only"), error);
      hub.head = "f".repeat(40);
      assert((await run()).startsWith("disk: "));
    });
  },
});

const python = Deno.env.get("QUANTBOOK_PYTHON") ?? "python3";
const load = `
import sys
from huggingface_hub import snapshot_download
path = snapshot_download("${name}", allow_patterns=["*.json", "*.safetensors", "*.txt"], etag_timeout=2)
print("in " + path)
`;

async function hasPython(): Promise<boolean> {
  const probe = "import huggingface_hub as h; assert int(h.__version__.split('.')[0]) >= 1";
  const found = await new Deno.Command(python, { args: ["-c", probe], stderr: "null" }).output().catch(() =>
    null
  );
  if (found?.success) return true;
  console.log(`skipped: ${python} has no huggingface_hub from 1 on; QUANTBOOK_PYTHON names one that has`);
  return false;
}

Deno.test("we wait for Python's huggingface_hub, and use what it has downloaded", async () => {
  if (!await hasPython()) return;
  await withSlowHub(async (hub, folder) => {
    const directory = `${folder}/snapshots/${commit}`;
    const child = start([python, "-c", load]);
    // It writes 10 MB at a time.
    await begun(folder, 0);
    assertEquals(await hubDirectory(name), directory);
    assertEquals(await outputOf(child), `in ${directory}`);
    assertEquals(weights(hub).filter((one) => one.startsWith("GET")).length, 1);
    await assertWhole(folder);
    // The list that Python left tells us that nothing is missing.
    Deno.env.set("HF_HUB_OFFLINE", "1");
    assertEquals(await hubDirectory(name), directory);
  });
});

Deno.test("Python waits for us, finds all offline, and its own inspection finds nothing wrong", async () => {
  if (!await hasPython()) return;
  await withSlowHub(async (hub, folder) => {
    const waiting = hubDirectory(name), directory = `${folder}/snapshots/${commit}`;
    await begun(folder, 1);
    const child = start([python, "-c", load]);
    await waiting;
    assertEquals(await outputOf(child), `in ${directory}`);
    assertEquals(weights(hub).filter((one) => one.startsWith("GET")).length, 1);
    await assertWhole(folder);
    Deno.env.set("HF_HUB_OFFLINE", "1");
    const scan = "from huggingface_hub import scan_cache_dir as s; r = s(); print(r.warnings, len(r.repos))";
    assertEquals(await outputOf(start([python, "-c", load + scan])), `in ${directory}\n[] 1`);
  });
});
