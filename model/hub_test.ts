/** Models come from a hub on the loopback interface: resumed, checked, cached, refused with the reason. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { pathOf } from "../base/file.ts";
import { HubError } from "./hub/error.ts";
import { hubDirectory, type HubOptions, isHubName } from "./hub.ts";
import { commit, type FakeHub, fakeHub, withHubEnvironment } from "./hub/server_testing.ts";
import { loadModel } from "./load.ts";

const fixture = pathOf(new URL("../fixtures/models/llama", import.meta.url));
const sharded = pathOf(new URL("../fixtures/families/llama_sharded3", import.meta.url));
const patience = { tries: 4, seconds: 0.01 };
const name = "someone/tiny-llama";

/** Runs with a fresh cache and a hub, and the environment that names them. */
async function withHub(
  run: (hub: FakeHub, cache: string) => Promise<void>,
  directory = fixture,
): Promise<void> {
  await using hub = await fakeHub(name, directory);
  await withHubEnvironment(hub.endpoint, (cache) => run(hub, `${cache}/models--someone--tiny-llama`));
}

async function refused(options: HubOptions = {}): Promise<HubError> {
  return await assertRejects(() => hubDirectory(name, { patience, ...options }), HubError);
}

Deno.test("a model loads by its name, lies in the hub's layout, and an offline second run asks nobody", async () => {
  await withHub(async (hub, folder) => {
    Deno.env.set("HF_TOKEN", "secret");
    const progress: string[] = [];
    const ids = Int32Array.of(0, 5, 9, 700);
    using local = await loadModel(fixture);
    const expected = await local.logits(ids);
    {
      using model = await loadModel(name, { patience, onDownload: ({ file }) => progress.push(file) });
      assertEquals(await model.logits(ids), expected);
      assertEquals(model.tokenizer.encode("The Union"), local.tokenizer.encode("The Union"));
    }
    assert(progress.includes("model.safetensors"));
    assertEquals(await Deno.readTextFile(`${folder}/refs/main`), commit);
    const link = await Deno.readLink(`${folder}/snapshots/${commit}/model.safetensors`);
    assert(/^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/.test(link), link);
    assert(hub.tokens.every((one) => one === "Bearer secret"));
    const count = hub.requests.length;
    await hubDirectory(name, { patience });
    assert(!hub.requests.slice(count).some((one) => one.includes("/resolve/")), "files were asked for again");
    Deno.env.set("HF_HUB_OFFLINE", "1");
    const asked = hub.requests.length;
    using again = await loadModel(name);
    assertEquals(await again.logits(ids), expected);
    assertEquals(hub.requests.length, asked);
    const error = await refused({ revision: "other" });
    assertEquals([error.code, hub.requests.length], ["offline", asked]);
  });
});

Deno.test("a cut download goes on where it ended, in this run or the next", async () => {
  await withHub(async (hub) => {
    hub.faults.push({ path: "model.safetensors", kind: { cut: 100_000 } });
    hub.faults.push({ path: "model.safetensors", kind: { cut: 50_000 } });
    await hubDirectory(name, { patience });
    const ranges = hub.requests.filter((one) => one.includes("model.safetensors")).map((one) =>
      one.split(" ")[2]
    );
    assertEquals(ranges[0], undefined);
    assertEquals(ranges.length, 3);
    assert(Number(ranges[1]?.match(/\d+/)?.[0]) > 0, `no range: ${ranges}`);
    assert(Number(ranges[2]?.match(/\d+/)?.[0]) > Number(ranges[1]?.match(/\d+/)?.[0]), `${ranges}`);
  });
  await withHub(async (hub) => {
    hub.faults.push({ path: "model.safetensors", kind: { cut: 100_000 } });
    // A try that brings something does not count.
    hub.faults.push({ path: "model.safetensors", kind: { cut: 0 }, times: 4 });
    assertEquals((await refused()).code, "network");
    const before = hub.requests.length;
    await hubDirectory(name, { patience });
    assert(hub.requests.slice(before).some((one) => one.includes("model.safetensors bytes=")));
  });
});

Deno.test("wrong bytes, wrong lengths and wrong answers are refused, and nothing of them stays", async () => {
  await withHub(async (hub, folder) => {
    const kinds = [
      [{ path: "model.safetensors", kind: "corrupt" }, "checksum"],
      [{ path: "model.safetensors", kind: "long" }, "checksum"],
      [{ path: "config.json", kind: "corrupt" }, "checksum"],
      [{ path: "/revision/main", kind: "garbage" }, "answer"],
      [{ path: "/api/models", kind: { status: 401 } }, "unauthorized"],
      [{ path: "/api/models", kind: { status: 403, code: "GatedRepo" } }, "forbidden"],
      [{ path: "/resolve/", kind: { status: 403 } }, "forbidden"],
      [{ path: "/api/models", kind: { status: 404 } }, "missing"],
      [{ path: "tokenizer.json", kind: { status: 404 } }, "missing"],
      [{ path: "/api/models", kind: { status: 503 }, times: 4 }, "busy"],
      [{ path: "/resolve/", kind: { status: 429 }, times: 4 }, "busy"],
    ] as const;
    for (const [fault, code] of kinds) {
      await Deno.remove(folder, { recursive: true }).catch(() => {});
      hub.faults.push({ ...fault });
      const error = await refused();
      assertEquals(error.code, code, error.message);
      assertEquals(hub.faults.length, 0, JSON.stringify(fault));
      assert(await Deno.stat(`${folder}/refs/main`).then(() => false, () => true), "a reference was written");
    }
    await hubDirectory(name, { patience });
  });
});

Deno.test("a busy hub is asked again, redirects are followed without the token, shards come with their index", async () => {
  await withHub(async (hub) => {
    Deno.env.set("HF_TOKEN", "secret");
    await using mirror = await fakeHub(name, sharded);
    hub.faults.push({ path: "/api/models", kind: { status: 503 }, times: 2 });
    hub.faults.push({ path: "/resolve/", kind: { status: 429 }, times: 1 });
    hub.faults.push({ path: "00002-of", kind: { redirect: mirror.endpoint } });
    using model = await loadModel(name, { patience });
    assertEquals(model.architecture.layers, 2);
    assertEquals(mirror.tokens, [null]);
    assertEquals(hub.requests.filter((one) => /resolve.*safetensors$/.test(one)).length, 3);
  }, sharded);
});

Deno.test("whatever a directory's loader can read, the hub's copy has, and no more", async () => {
  const directory = await Deno.makeTempDir();
  try {
    for (const name of ["config.json", "model.safetensors"]) {
      await Deno.copyFile(`${fixture}/${name}`, `${directory}/${name}`);
    }
    const wanted = [
      "added_tokens.json",
      "additional_chat_templates/rag.jinja",
      "chat_template.jinja",
      "merges.txt",
      "spiece.model",
      "tokenizer.model",
      "tokenizer_config.json",
      "vocab.json",
    ];
    const others = [
      "README.md",
      "pytorch_model.bin",
      "onnx/model.onnx",
      "original/params.json",
      "tf_model.h5",
    ];
    for (const folder of ["additional_chat_templates", "onnx", "original"]) {
      await Deno.mkdir(`${directory}/${folder}`);
    }
    for (const name of [...wanted, ...others]) await Deno.writeTextFile(`${directory}/${name}`, "{}");
    await withHub(async () => {
      const copy = await hubDirectory(name, { patience });
      for (const path of wanted) assertEquals(await Deno.readTextFile(`${copy}/${path}`), "{}", path);
      for (const path of others) {
        assert(await Deno.stat(`${copy}/${path}`).then(() => false, () => true), path);
      }
    }, directory);
    // Without weights that can be read, the error names those that are there.
    await Deno.remove(`${directory}/model.safetensors`);
    await withHub(async () => {
      const error = await refused();
      assert(error.code === "missing" && error.message.includes("pytorch_model.bin"), error.message);
    }, directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("names and revisions cannot leave the cache", async () => {
  assert(isHubName("gpt2") && isHubName("facebook/opt-125m") && isHubName("meta-llama/Llama-3.2-1B"));
  for (const bad of ["../etc", "a/../b", "a/b/c", "/etc/passwd", "./model", "model.gguf", "a/.ssh", ""]) {
    assert(!isHubName(bad), bad);
  }
  await withHub(async (hub) => {
    for (const revision of ["../../x", "/etc", "a b", ""]) {
      assertEquals((await refused({ revision })).code, "missing");
    }
    assertEquals(hub.requests, []);
  });
});
