/** One certificate a run, whatever computes it: Deno on 1, 2 and 4 threads, with and without shared memory, Chromium, Firefox, WebKit. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { directoryOf, pathOf } from "../base/file.ts";
import { bundle } from "./browser.ts";
import { engines, missingOf, type Served, visit } from "./engines_testing.ts";
import { runs } from "./page_testing.ts";

const root = new URL("../", import.meta.url);
const script = `
  import { certified, elementaryHash, runs } from "/page.js";
  const post = (what) => fetch("/result", { method: "POST", body: JSON.stringify(what) });
  try {
    const files = {};
    for (const [path, source] of await (await fetch("/files")).json()) {
      files["/fixtures/" + path] = new Uint8Array(await (await fetch("/fixtures/" + source)).arrayBuffer());
    }
    const found = { elementary: elementaryHash() };
    for (const name of Object.keys(runs)) found[name] = await certified(name, "/fixtures/published", files);
    await post(found);
  } catch (error) {
    await post({ error: String(error), cause: String(error.error ?? error.cause), stack: error.stack });
  }`;

const names = ["config.json", "generation_config.json", "model.safetensors", "special_tokens_map.json"];
const tokenizer = ["tokenizer.json", "tokenizer_config.json"];
const own = [
  ...[...names, ...tokenizer].map((name) => `models/llama/${name}`),
  "models/llama-outlier/outliers.json",
];

/** Files by others, each with where it lies under `fixtures/`: their models are llama's layers, whose tokenizer is not there twice. */
const published = [
  ["published/llama2l-Q4_K_M.gguf", "published/llama2l-Q4_K_M.gguf"],
  ...["published/AWQ-g64", "published/NF4-double"].flatMap((folder) => [
    ...["config.json", "model.safetensors"].map((name) => [`${folder}/${name}`, `${folder}/${name}`]),
    ...tokenizer.map((name) => [`${folder}/${name}`, `models/llama/${name}`]),
  ]),
];

/** What a process of Deno finds. */
async function inDeno(threads: number, kernels: "shared" | "plain"): Promise<Record<string, unknown>> {
  const directory = await Deno.makeTempDir();
  try {
    for (const [path, source] of published) {
      await Deno.mkdir(directoryOf(`${directory}/${path}`), { recursive: true });
      await Deno.copyFile(new URL(`fixtures/${source}`, root), `${directory}/${path}`);
    }
    return await run(`${directory}/published`, threads, kernels);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function run(
  directory: string,
  threads: number,
  kernels: "shared" | "plain",
): Promise<Record<string, unknown>> {
  const code = `import { certified, elementaryHash, runs } from ${
    JSON.stringify(new URL("page_testing.ts", import.meta.url).href)
  };
    const found = { elementary: elementaryHash() };
    for (const name of Object.keys(runs)) found[name] = await certified(name, ${JSON.stringify(directory)});
    console.log(JSON.stringify(found));`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", "--config", pathOf(new URL("deno.json", root)), code],
    env: { QUANTBOOK_THREADS: String(threads), QUANTBOOK_KERNELS: kernels },
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(text !== "", new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

let expected: Promise<Record<string, unknown>> | undefined;
const threadsOfOne = () => expected ??= inDeno(1, "shared");

for (const [threads, kernels] of [[2, "shared"], [4, "shared"], [1, "plain"]] as const) {
  Deno.test(`the certificates of Deno: ${threads} threads, ${kernels} memory`, async () => {
    assertEquals(await inDeno(threads, kernels), await threadsOfOne());
  });
}

for (const engine of engines) {
  Deno.test(`the certificates of ${engine.name}`, async () => {
    const missing = await missingOf(engine);
    if (missing !== null) return console.log(`${engine.name}: skipped, ${missing} is not installed`);
    const { code } = await bundle("build/page_testing.ts");
    const serve = async (path: string): Promise<Served | null> => {
      if (path === "/") return ["text/html", `<!doctype html><script type="module">${script}</script>`];
      if (path === "/page.js") return ["text/javascript", code];
      if (path === "/files") {
        return ["application/json", JSON.stringify([...own.map((path) => [path, path]), ...published])];
      }
      if (!path.startsWith("/fixtures/")) return null;
      return ["application/octet-stream", await Deno.readFile(new URL(path.slice(1), root))];
    };
    const { result, milliseconds } = await visit(engine, "/", serve, { seconds: 400 });
    console.log(`${engine.name}: ${(milliseconds / 1000).toFixed(1)} s for ${Object.keys(runs).length} runs`);
    assertEquals(result, await threadsOfOne());
  });
}

Deno.test("the runs have a certificate each", async () => {
  const all = Object.values(await threadsOfOne()).map((one) => JSON.stringify(one));
  assertEquals(new Set(all).size, Object.keys(runs).length + 1);
  assertNotEquals(all[1], all[2]);
});
