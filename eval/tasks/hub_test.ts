/** Tasks read their public sets from a hub on the loopback interface: cached, resumed, and the same as from a file. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { HubError } from "../../model/hub/error.ts";
import { hubDataset } from "../../model/hub.ts";
import { commit, type FakeHub, fakeHub, withHubEnvironment } from "../../model/hub/server_testing.ts";
import { loadModel } from "../../model/load.ts";
import { TaskError } from "./error.ts";
import { evaluateTask } from "./evaluate.ts";
import type { TaskExample } from "./result.ts";

const patience = { tries: 3, seconds: 0.01 };
const file = pathOf(new URL("../../fixtures/expected/tasks/arc_easy.parquet", import.meta.url));
const part = { name: "allenai/ai2_arc", config: "ARC-Easy", split: "test" };

/** Runs with a fresh cache and a hub that has ARC: six questions as the test set, in two files, and six to be shown. */
async function withHub(run: (hub: FakeHub, cache: string) => Promise<void>): Promise<void> {
  const bytes = await Deno.readFile(file);
  const paths = [
    "ARC-Easy/test/0000",
    "ARC-Easy/test/0001",
    "ARC-Easy/train/0000",
    "ARC-Challenge/test/0000",
  ];
  await using hub = await fakeHub(part.name, new Map(paths.map((path) => [`${path}.parquet`, bytes])));
  await withHubEnvironment(hub.endpoint, (cache) => run(hub, `${cache}/datasets--allenai--ai2_arc`));
}

/** Examples without the place that they were read from. */
const placeless = (examples: readonly TaskExample[]) => examples.map((one) => ({ ...one, id: 0, where: "" }));

Deno.test("a task on the hub's set gives what it gives on the file, and offline asks nobody", async () => {
  await withHub(async (hub, folder) => {
    using model = await loadModel("fixture:llama");
    const local = await evaluateTask(model, "arc_easy", { data: file });
    const remote = await evaluateTask(model, "arc_easy", { data: "hub" });
    assertEquals(placeless(remote.examples), placeless([...local.examples, ...local.examples]));
    assert(!hub.requests.some((one) => one.includes("train")), "worked examples were loaded for nothing");
    const link = await Deno.readLink(`${folder}/snapshots/${commit}/ARC-Easy/test/0001.parquet`);
    assert(/^(\.\.\/){4}blobs\/[0-9a-f]{64}$/.test(link), link);
    assertEquals(await Deno.readTextFile(`${folder}/refs/refs/convert/parquet`), commit);
    Deno.env.set("HF_HUB_OFFLINE", "1");
    const asked = hub.requests.length;
    assertEquals(await evaluateTask(model, "arc_easy", { data: "hub" }), remote);
    const missing = () => evaluateTask(model, "arc_easy", { data: "hub", fewShot: 1 });
    assertEquals((await assertRejects(missing, HubError)).code, "offline");
    assertEquals(hub.requests.length, asked);
  });
});

Deno.test("worked examples come from the training set", async () => {
  await withHub(async (_, folder) => {
    using model = await loadModel("fixture:llama");
    const data = { examples: file, shots: file };
    const local = await evaluateTask(model, "arc_easy", { data, fewShot: 2, limit: 2 });
    const remote = await evaluateTask(model, "arc_easy", { data: "hub", fewShot: 2, limit: 2 });
    assertEquals(placeless(remote.examples), placeless(local.examples));
    await Deno.stat(`${folder}/snapshots/${commit}/ARC-Easy/train/0000.parquet`);
  });
});

Deno.test("a cut download goes on; wrong bytes and missing parts are refused and leave no part behind", async () => {
  await withHub(async (hub) => {
    hub.faults.push({ path: "test/0001.parquet", kind: "corrupt" });
    // Both files have the same bytes, hence one download.
    hub.faults.push({ path: "test/0000.parquet", kind: "corrupt" });
    assertEquals((await assertRejects(() => hubDataset(part, { patience }), HubError)).code, "checksum");
    Deno.env.set("HF_HUB_OFFLINE", "1");
    assertEquals((await assertRejects(() => hubDataset(part), HubError)).code, "offline");
    Deno.env.delete("HF_HUB_OFFLINE");
    hub.faults.push({ path: "test/0000.parquet", kind: { cut: 1000 } });
    assertEquals((await hubDataset(part, { patience })).map((path) => path.slice(-12)), [
      "0000.parquet",
      "0001.parquet",
    ]);
    assert(hub.requests.some((one) => one.endsWith("bytes=1000-")), "the download began anew");
    for (const config of ["ARC-Hard", "../ARC-Easy"]) {
      const error = await assertRejects(() => hubDataset({ ...part, config }, { patience }), HubError);
      assertEquals(error.code, "missing");
    }
  });
});

Deno.test("a hub that does not answer is replaced by the cache, which says what it does not know", async () => {
  await withHub(async (_, folder) => {
    const paths = await hubDataset(part, { patience });
    Deno.env.set("HF_ENDPOINT", "http://127.0.0.1:9");
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    assertEquals(await hubDataset(part, { patience, onNotice }), paths);
    assert(notices.length === 1 && notices[0].includes("the hub does not answer"), notices.join());
    const other = await assertRejects(() => hubDataset({ ...part, split: "train" }, { patience }), HubError);
    assertEquals(other.code, "network");
    // One of two files, and no list that says so.
    await Deno.remove(`${folder}/trees`, { recursive: true });
    await Deno.remove(paths[1]);
    assertEquals(await hubDataset(part, { patience, onNotice }), paths.slice(0, 1));
    assert(notices.at(-1)?.includes("whether it has more files"), notices.join());
  });
});

Deno.test("chains of thought are not on the hub", async () => {
  using model = await loadModel("fixture:llama");
  const error = await assertRejects(
    () => evaluateTask(model, "bbh_word_sorting", { data: "hub" }),
    TaskError,
  );
  assertEquals(error.code, "option");
  await assertRejects(() => evaluateTask(model, "bbh", { data: "hub" }), TaskError, "directory");
});
