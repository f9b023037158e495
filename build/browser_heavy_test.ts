/** One certificate a run, whatever computes it: Deno on 1 and 2 threads, with and without shared memory, Chromium, Firefox, WebKit. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { pathOf } from "../base/file.ts";
import { bundle } from "./browser.ts";
import { engines, missingOf, type Served, visit } from "./engines_testing.ts";
import { runs } from "./page_testing.ts";

const root = new URL("../", import.meta.url);
const script = `
  import { certified, elementaryHash, runs } from "/page.js";
  const post = (what) => fetch("/result", { method: "POST", body: JSON.stringify(what) });
  try {
    const files = {};
    for (const path of await (await fetch("/files")).json()) {
      files["/fixtures" + path] = new Uint8Array(await (await fetch("/fixtures" + path)).arrayBuffer());
    }
    const found = { elementary: elementaryHash() };
    for (const name of Object.keys(runs)) found[name] = await certified(name, files);
    await post(found);
  } catch (error) {
    await post({ error: String(error), cause: String(error.error ?? error.cause), stack: error.stack });
  }`;

const names = ["config.json", "generation_config.json", "model.safetensors", "special_tokens_map.json"];
const paths = [...names, "tokenizer.json", "tokenizer_config.json"].map((name) => `/models/llama/${name}`);
paths.push("/models/llama-outlier/outliers.json");

/** What a process of Deno finds. */
async function inDeno(threads: number, kernels: "shared" | "plain"): Promise<Record<string, unknown>> {
  const code = `import { certified, elementaryHash, runs } from ${
    JSON.stringify(new URL("page_testing.ts", import.meta.url).href)
  };
    const found = { elementary: elementaryHash() };
    for (const name of Object.keys(runs)) found[name] = await certified(name);
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

for (const [threads, kernels] of [[2, "shared"], [1, "plain"]] as const) {
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
      if (path === "/files") return ["application/json", JSON.stringify(paths)];
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
