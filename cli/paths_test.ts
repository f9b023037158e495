/** A path is any path: with blanks, `#`, `%` before two digits, `?` and letters beyond ASCII, wherever one can be given. */
import { assertEquals } from "@std/assert";
import { pathToFileURL } from "node:url";
import { namesIn, pathOf } from "../base/file.ts";
import { corpus, evaluateTask, exportModel, loadModel, sweep } from "../mod.ts";

const root = pathOf(new URL("..", import.meta.url));
// Windows knows no question mark, and a backslash is no part of a name there.
const odd = Deno.build.os === "windows" ? "my répo #1 50%41" : "my répo #1 50%41?\\";

/** Runs with a fresh directory of an odd name. */
async function inOddDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const parent = await Deno.makeTempDir(), directory = `${parent}/${odd}`;
  try {
    await Deno.mkdir(directory);
    await run(directory);
    // Nothing was written beside it, under a name that is taken for another.
    assertEquals(await namesIn(parent), [odd]);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

Deno.test("models, texts, data, logs, results and exports lie in directories of any name", async () => {
  await inOddDirectory(async (directory) => {
    const model = `${directory}/model`;
    await Deno.mkdir(model);
    for (const name of await namesIn(`${root}fixtures/models/llama`)) {
      await Deno.copyFile(`${root}fixtures/models/llama/${name}`, `${model}/${name}`);
    }
    const text = `${directory}/text #2.txt`, data = `${directory}/arc easy%20.jsonl`;
    await Deno.copyFile(`${root}fixtures/corpora/sotu.test.txt`, text);
    await Deno.copyFile(`${root}fixtures/tasks/arc_easy.jsonl`, data);
    const windows = await corpus(text, { windows: 1, length: 16 });
    assertEquals(windows, await corpus("sotu", { windows: 1, length: 16 }));
    using loaded = await loadModel(model);
    await evaluateTask(loaded, "arc_easy", { data, limit: 1, log: `${directory}/log %41.jsonl` });
    const results = `${directory}/results`, cells = [{ model, label: "float", scheme: {} }];
    const [first] = await sweep(cells, { windows, results });
    const [again] = await sweep(cells, { windows, results });
    assertEquals(again, first);
    await exportModel(loaded, `${directory}/export`, { format: "gguf" });
    const [file] = (await namesIn(`${directory}/export`)).filter((name) => name.endsWith(".gguf"));
    using read = await loadModel(`${directory}/export/${file}`);
    using single = await loadModel(`${model}/model.safetensors`);
    assertEquals(single.architecture, loaded.architecture);
    assertEquals(read.architecture.layers, loaded.architecture.layers);
  });
});

Deno.test("a checkout works in a directory of any name", async () => {
  await inOddDirectory(async (directory) => {
    const checkout = `${directory}/check out`;
    await Deno.symlink(root.replace(/[/\\]$/, ""), checkout, { type: "dir" });
    const script = `
      const [url, results] = Deno.args;
      const { corpus, evaluateTask, loadModel, sweep } = await import(url + "/mod.ts");
      const { resultsLocation } = await import(url + "/eval/store/key.ts");
      using model = await loadModel("fixture:llama");
      await evaluateTask(model, "arc_easy", { limit: 1 });
      const windows = await corpus("sotu", { windows: 1, length: 16 });
      await sweep([{ model: "fixture:llama", label: "float", scheme: {} }], { windows, results });
      console.log(resultsLocation());
    `;
    const file = `${directory}/try it.ts`, url = pathToFileURL(checkout).href;
    await Deno.writeTextFile(file, script);
    const args = ["run", "-A", "--no-check", "--quiet", "--config", `${checkout}/deno.json`, file, url];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, `${directory}/results`],
      env: { QUANTBOOK_THREADS: "1", QUANTBOOK_CACHE: "" },
    }).output();
    const [said, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
    assertEquals(said, `${checkout}/.quantbook/results`, errors);
    assertEquals((await namesIn(`${directory}/results`)).length, 1);
  });
});
