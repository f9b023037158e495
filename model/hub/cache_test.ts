/** The cache is Python's, whole or not taken for whole, and serves where the hub does not answer; a disk is called a disk. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { CheckpointError } from "../files/error.ts";
import { hubDirectory, type HubOptions } from "../hub.ts";
import { loadModel } from "../load.ts";
import { downloadFile } from "./download.ts";
import { HubError } from "./error.ts";
import { commit, type FakeHub, fakeHub, type Fault, withHubEnvironment } from "./server_testing.ts";
import { cacheDirectory, userToken } from "./settings.ts";

const fixture = pathOf(new URL("../../fixtures/models/llama", import.meta.url));
const patience = { tries: 2, seconds: 0.01 };
const name = "someone/tiny-llama";
const snapshotOf = (folder: string) => `${folder}/snapshots/${commit}`;

/** Runs with a fresh cache and a hub; the folder is the model's in the cache. */
async function withHub(run: (hub: FakeHub, folder: string) => Promise<void>): Promise<void> {
  await using hub = await fakeHub(name, fixture);
  await withHubEnvironment(hub.endpoint, (cache) => run(hub, `${cache}/models--someone--tiny-llama`));
}

async function refused(options: HubOptions = {}): Promise<HubError> {
  return await assertRejects(() => hubDirectory(name, { patience, ...options }), HubError);
}

/** The notices of a load. */
async function noticed(options: HubOptions = {}): Promise<string[]> {
  const notices: string[] = [];
  await hubDirectory(name, { patience, onNotice: (one) => notices.push(one), ...options });
  return notices;
}

/** Every directory and file beneath a folder with the time of its last change. */
async function stamps(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    found.push(`${path} ${(await Deno.lstat(path)).mtime?.getTime()}`);
    if (isDirectory) found.push(...await stamps(path));
  }
  return found.sort();
}

Deno.test("a hub that does not answer is replaced by the cache, with a notice, at once", async () => {
  await withHub(async (hub, folder) => {
    await hubDirectory(name, { patience });
    const faults: Fault["kind"][] = [{ status: 503 }, { status: 429 }, { status: 500 }, "silence"];
    for (const kind of faults) {
      for (const path of ["/revision/", "/tree/"]) {
        // A list that is kept is not asked for.
        await Deno.remove(`${folder}/trees`, { recursive: true });
        hub.faults.push({ path, kind });
        if (kind === "silence") Deno.env.set("HF_HUB_ETAG_TIMEOUT", "0.5");
        const [notice] = await noticed();
        assertStringIncludes(notice, `commit ${commit} of the cache`);
        Deno.env.delete("HF_HUB_ETAG_TIMEOUT");
        await hubDirectory(name, { patience });
      }
    }
    Deno.env.set("HF_ENDPOINT", "http://127.0.0.1:9");
    using model = await loadModel(name, { patience });
    assertStringIncludes(model.notices[0], "the hub does not answer");
    const strict = () => loadModel(name, { patience, strict: true });
    assertEquals((await assertRejects(strict, CheckpointError)).code, "notice");
  });
});

Deno.test("without an answer and without the model in the cache the error says what to do", async () => {
  await withHub(async () => {
    Deno.env.set("HF_ENDPOINT", "http://127.0.0.1:9");
    const error = await refused();
    assertEquals(error.code, "network");
    for (const part of ["is not in the cache", "HF_HUB_OFFLINE", "directory: there is none of that name"]) {
      assertStringIncludes(error.message, part);
    }
  });
});

Deno.test("another revision is no answer, nor is an older commit than the hub's", async () => {
  await withHub(async (hub) => {
    await hubDirectory(name, { patience });
    hub.faults.push({ path: "/api/", kind: { status: 503 }, times: 2 });
    assertEquals((await refused({ revision: "v2" })).code, "busy");
    assertEquals((await refused({ revision: "v2" })).code, "missing");
    hub.head = "f".repeat(40);
    hub.faults.push({ path: "/tree/", kind: { status: 503 }, times: 2 });
    const error = await refused();
    assertEquals(error.code, "busy");
    assertStringIncludes(error.message, `the older commit ${commit}`);
  });
});

Deno.test("branches, tags, requests and commits are revisions, each kept under its name", async () => {
  await withHub(async (hub, folder) => {
    for (const revision of ["dev", "refs/pr/12", "v1.0+cu118", "größer_1", "a@b#c=d%20"]) {
      assertEquals((await refused({ revision })).code, "missing", revision);
      hub.revisions.add(revision);
      assertEquals(await hubDirectory(name, { patience, revision }), snapshotOf(folder));
      assertEquals(await Deno.readTextFile(`${folder}/refs/${revision}`), commit);
    }
    await Deno.remove(folder, { recursive: true });
    assertEquals(await hubDirectory(name, { patience, revision: commit }), snapshotOf(folder));
    assert(
      !hub.requests.some((one) => one.includes(`/revision/${commit}`)),
      "a commit is asked what commit it is",
    );
    Deno.env.set("HF_HUB_OFFLINE", "1");
    assertEquals((await refused()).code, "offline");
    assertEquals(await hubDirectory(name, { revision: commit }), snapshotOf(folder));
  });
});

Deno.test("what the hub does know stays an error, though the model is in the cache", async () => {
  await withHub(async (hub) => {
    await hubDirectory(name, { patience });
    const kinds = [[401, "unauthorized"], [403, "forbidden"], [404, "missing"]] as const;
    for (const [status, code] of kinds) {
      hub.faults.push({ path: "/api/", kind: { status } });
      const error = await refused();
      assertEquals(error.code, code);
      assertEquals(error.message.includes("there is none of that name here"), status !== 403);
    }
    hub.faults.push({ path: "/api/", kind: { status: 403, code: "GatedRepo" } });
    assertStringIncludes((await refused()).message, "gated");
    hub.faults.push({ path: "/api/", kind: { status: 404, code: "RevisionNotFound" } });
    assertStringIncludes((await refused()).message, "no such revision");
  });
});

Deno.test("a commit that is whole in the cache is not asked for, and nothing is written for what is there", async () => {
  await withHub(async (hub, folder) => {
    await hubDirectory(name, { patience });
    const before = await stamps(`${folder}/..`);
    await hubDirectory(name, { patience });
    const asked = hub.requests.length;
    await hubDirectory(name, { patience, revision: commit });
    assertEquals(hub.requests.length, asked);
    assertEquals(await stamps(`${folder}/..`), before);
  });
});

Deno.test("a snapshot that is not whole is not taken for whole, and is completed", async () => {
  await withHub(async (hub, folder) => {
    const directory = await hubDirectory(name, { patience });
    for (const path of ["model.safetensors", "tokenizer.json"]) {
      const blob = await Deno.realPath(`${directory}/${path}`);
      await Deno.remove(`${directory}/${path}`);
      Deno.env.set("HF_HUB_OFFLINE", "1");
      const error = await refused();
      assertEquals(error.code, "offline");
      assertStringIncludes(error.message, `lacks ${path}`);
      Deno.env.delete("HF_HUB_OFFLINE");
      await hubDirectory(name, { patience });
      // A link without its blob.
      await Deno.remove(blob);
      Deno.env.set("HF_HUB_OFFLINE", "1");
      assertEquals((await refused()).code, "offline");
      Deno.env.delete("HF_HUB_OFFLINE");
      await hubDirectory(name, { patience });
      // Half a file of somebody else's.
      await Deno.remove(`${directory}/${path}`);
      await Deno.writeTextFile(`${directory}/${path}`, "{");
      await hubDirectory(name, { patience });
      assertEquals(
        (await Deno.stat(`${directory}/${path}`)).size,
        (await Deno.stat(`${fixture}/${path}`)).size,
      );
    }
    assert(hub.requests.length > 0 && (await stamps(folder)).every((one) => !one.includes(".part ")));
  });
});

Deno.test("of a model in shards all that the index names must be there", async () => {
  const sharded = pathOf(new URL("../../fixtures/families/llama_sharded3", import.meta.url));
  await using hub = await fakeHub(name, sharded);
  await withHubEnvironment(hub.endpoint, async (cache) => {
    const directory = await hubDirectory(name, { patience });
    Deno.env.set("HF_HUB_OFFLINE", "1");
    assertEquals(await hubDirectory(name), directory);
    await Deno.remove(`${cache}/models--someone--tiny-llama/trees`, { recursive: true });
    assertEquals(await hubDirectory(name, { onNotice: () => {} }), directory);
    await Deno.remove(`${directory}/model-00002-of-00003.safetensors`);
    const error = await refused();
    assertEquals(error.code, "offline");
    assertStringIncludes(error.message, "lacks model-00002-of-00003.safetensors");
  });
});

Deno.test("a cache without a list of files says what it does not know", async () => {
  await withHub(async (_, folder) => {
    await hubDirectory(name, { patience });
    await Deno.remove(`${folder}/trees`, { recursive: true });
    Deno.env.set("HF_HUB_OFFLINE", "1");
    // What the commit lacks stands in .no_exist, as Python's.
    assertEquals(await noticed(), []);
    await Deno.stat(`${folder}/.no_exist/${commit}/tokenizer.model`);
    await Deno.remove(`${folder}/.no_exist`, { recursive: true });
    const [notice] = await noticed();
    assertStringIncludes(notice, "the cache does not know whether it has");
    assertStringIncludes(notice, "tokenizer.model");
    await Deno.remove(`${snapshotOf(folder)}/model.safetensors`);
    assertStringIncludes((await refused()).message, "no safetensors weights");
  });
});

Deno.test("pieces that others left are gone on with, and begun anew where they are something else", async () => {
  await withHub(async (hub, folder) => {
    const directory = await hubDirectory(name, { patience }), path = `${directory}/model.safetensors`;
    const blob = await Deno.realPath(path), bytes = await Deno.readFile(blob);
    const asked = async (partial: string, piece: Uint8Array, ...kinds: Fault["kind"][]) => {
      await Deno.remove(blob);
      await Deno.writeFile(`${blob}${partial}`, piece);
      for (const kind of kinds) hub.faults.push({ path: "model.safetensors", kind });
      const before = hub.requests.length;
      await hubDirectory(name, { patience });
      assertEquals(await Deno.readFile(path), bytes);
      const left = await Array.fromAsync(Deno.readDir(`${folder}/blobs`), (one) => one.name);
      assertEquals(left.filter((one) => one.endsWith(".incomplete")), []);
      return hub.requests.slice(before).filter((one) => one.includes("/resolve/")).map((one) =>
        one.split(" ")[2] ?? "all"
      );
    };
    const half = bytes.subarray(0, 1000);
    // The names of huggingface_hub until 1 and from 2 on, and ours.
    assertEquals(await asked(".incomplete", half), ["bytes=1000-"]);
    assertEquals(await asked(".0123abcd.incomplete", half), ["bytes=1000-"]);
    assertEquals(await asked(".incomplete", bytes), []);
    assertEquals(await asked(".incomplete", new Uint8Array(1000)), ["bytes=1000-", "all"]);
    assertEquals(await asked(".incomplete", new Uint8Array(bytes.length + 1)), ["all"]);
    // Servers that know no ranges, or others.
    assertEquals(await asked(".incomplete", half, "whole"), ["bytes=1000-"]);
    assertEquals(await asked(".incomplete", half, "shifted"), ["bytes=1000-", "all"]);
    assertEquals(await asked(".incomplete", half, "early"), ["bytes=1000-"]);
    assertEquals(await asked(".incomplete", half, "unsaid"), ["bytes=1000-", "all"]);
    assertEquals(await asked(".incomplete", half, "range200"), ["bytes=1000-"]);
    assertEquals(await asked(".incomplete", half, { status: 416 }), ["bytes=1000-", "all"]);
    Deno.env.set("HF_HUB_DOWNLOAD_TIMEOUT", "0.5");
    assertEquals(await asked(".incomplete", half, { silent: 100 }), ["bytes=1000-", "bytes=1100-"]);
  });
});

Deno.test("where links cannot be made, snapshots hold files", async () => {
  await withHub(async (hub, folder) => {
    Deno.env.set("HF_HUB_DISABLE_SYMLINKS", "1");
    await hubDirectory(name, { patience });
    for await (const { name, isFile } of Deno.readDir(snapshotOf(folder))) assert(isFile, name);
    const asked = hub.requests.length;
    using _model = await loadModel(name, { patience });
    assert(!hub.requests.slice(asked).some((one) => one.includes("/resolve/")));
  });
});

Deno.test("a cache that cannot be written is a disk's fault, said at once", async () => {
  for (const blocked of ["models--someone--tiny-llama", ".locks"]) {
    await withHub(async (hub, folder) => {
      const cache = folder.slice(0, folder.lastIndexOf("/"));
      await Deno.mkdir(cache, { recursive: true });
      await Deno.writeTextFile(`${cache}/${blocked}`, "a file where a folder belongs");
      const error = await refused();
      assertEquals(error.code, "disk");
      assert(!/network|hub does not answer/.test(error.message), error.message);
      assertStringIncludes(error.message, "HF_HOME");
      assert(hub.requests.filter((one) => one.includes("/resolve/")).length <= 1);
    });
  }
});

Deno.test("a newer commit that cannot be written is no reason to take the older one in silence", async () => {
  await withHub(async (hub, folder) => {
    await hubDirectory(name, { patience });
    hub.head = "f".repeat(40);
    await Deno.writeTextFile(`${folder}/snapshots/${hub.head}`, "");
    assertEquals((await refused()).code, "disk");
  });
});

Deno.test("a mirror may lie under a path, and its answers need no headers but HTTP's", async () => {
  await withHub(async (hub, folder) => {
    Deno.env.set("HF_ENDPOINT", `${hub.endpoint}/mirror/hf/`);
    assertEquals(await hubDirectory(name, { patience }), snapshotOf(folder));
    assert(hub.requests.some((one) => one.includes("/resolve/")));
  });
});

Deno.test("where locks do nothing, two who download one file at once both get it whole", async () => {
  await withHub(async (hub, folder) => {
    const path = `${await hubDirectory(name, { patience })}/model.safetensors`;
    const target = await Deno.realPath(path), bytes = await Deno.readFile(target);
    await Deno.remove(target);
    hub.faults.push({ path: "model.safetensors", kind: { slow: 20 }, times: 9 });
    const etag = target.slice(target.lastIndexOf("/") + 1), size = bytes.length;
    const file = { path: "model.safetensors", size, etag, entry: {} };
    const access = { endpoint: hub.endpoint, patience, silence: 5 };
    const url = `${hub.endpoint}/${name}/resolve/${commit}/model.safetensors`;
    // Locks of their own keep nobody out.
    const one = async (lock: string, after: number) => {
      await new Promise((resolve) => setTimeout(resolve, after));
      await downloadFile(access, url, file, { target, lock: `${folder}/${lock}` }, () => {});
    };
    await Promise.all([one("a", 0), one("b", 60), one("c", 100)]);
    assertEquals(await Deno.readFile(path), bytes);
    const left = await Array.fromAsync(Deno.readDir(`${folder}/blobs`), (one) => one.name);
    assertEquals(left.filter((one) => one.endsWith(".incomplete")), []);
  });
});

Deno.test("the cache's place and the token are found as Python finds them", async () => {
  await withHubEnvironment("http://127.0.0.1:9", async (cache) => {
    const home = cache.replace(/\/hub$/, ""), user = Deno.env.get("HOME") ?? "";
    const places: [Record<string, string>, string][] = [
      [{}, `${home}/hub`],
      [{ HF_HOME: "~/models" }, `${user}/models/hub`],
      [{ HF_HOME: "$HOME/a b", HF_HUB_CACHE: "" }, `${user}/a b/hub`],
      [{ HF_HOME: "", XDG_CACHE_HOME: "/x" }, "/x/huggingface/hub"],
      [{ HF_HOME: "" }, `${user}/.cache/huggingface/hub`],
      [{ HUGGINGFACE_HUB_CACHE: "/old" }, "/old"],
      [
        { HUGGINGFACE_HUB_CACHE: "/old", HF_HUB_CACHE: "${HOME}/new$UNKNOWN_NAME" },
        `${user}/new$UNKNOWN_NAME`,
      ],
    ];
    for (const [settings, expected] of places) {
      Deno.env.set("HF_HOME", home);
      for (const [key, value] of Object.entries(settings)) Deno.env.set(key, value);
      assertEquals(cacheDirectory(), expected);
      for (const key of Object.keys(settings)) Deno.env.delete(key);
    }
    Deno.env.set("HF_HOME", home);
    assertEquals(await userToken(), undefined);
    await Deno.writeTextFile(`${home}/token`, "hf_file\r\n");
    assertEquals(await userToken(), "hf_file");
    await Deno.writeTextFile(`${home}/other`, " hf_other \n");
    Deno.env.set("HF_TOKEN_PATH", `${home}/other`);
    assertEquals(await userToken(), "hf_other");
    Deno.env.set("HF_TOKEN", " \n");
    assertEquals(await userToken(), "hf_other");
    Deno.env.delete("HF_TOKEN");
    Deno.env.set("HUGGING_FACE_HUB_TOKEN", "hf_old");
    assertEquals(await userToken(), "hf_old");
    Deno.env.set("HF_TOKEN", "hf_new\n");
    assertEquals(await userToken(), "hf_new");
    Deno.env.set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
    assertEquals(await userToken(), undefined);
  });
});
