/** Every family's tiny checkpoint computes what transformers computed on it: hidden states, logits, greedy continuation. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { pathOf } from "../base/file.ts";
import { runLayer } from "./decoder.ts";
import { modelTypes } from "./families.ts";
import { loadModel } from "./load.ts";
import { readSafetensors } from "./safetensors.ts";

const folder = pathOf(new URL("../fixtures/families", import.meta.url));

interface Entry {
  readonly dir: string;
  readonly family: string;
}

const entries: Entry[] = JSON.parse(await Deno.readTextFile(`${folder}/index.json`));

/** Largest difference of two arrays. */
function distance(found: Float32Array, expected: Float32Array): number {
  assertEquals(found.length, expected.length);
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
}

function deviation(values: Float32Array): number {
  const mean = values.reduce((a, b) => a + b) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

for (const { dir } of entries) {
  for (const config of ["config.json", "config.legacy.json"]) {
    const source = `${folder}/${dir}`;
    const has = await Deno.stat(`${source}/${config}`).then(() => true, () => false);
    if (!has) continue;
    Deno.test(`${dir} as ${config}: hidden states, logits and greedy continuation are transformers'`, async () => {
      const golden = await readSafetensors(`${source}/golden.safetensors`);
      const value = (name: string) => golden.get(name)?.data as Float32Array;
      using stack = new DisposableStack();
      const directory = config === "config.json" ? source : await withConfig(source, config, stack);
      using model = await loadModel(directory);
      const { device, architecture } = model;
      const ids = golden.get("input_ids")?.data as Int32Array;
      // The bound of the issue: 1e-4 in units of the logits' standard deviation (which is 2 by construction); hidden
      // states have another scale, and the same relative bound.
      const check = (name: string, found: Float32Array) => {
        const expected = value(name);
        assertLess(distance(found, expected), 1e-4 * Math.max(1, deviation(expected)), `${dir} ${name}`);
      };
      using hidden = await model.embed(ids);
      check("hidden.embed", await device.read(hidden));
      const context = await model.context([], null, ids.length);
      for (let layer = 0; layer < architecture.layers; layer++) {
        await runLayer(context, await model.loadLayer(layer), hidden, ids.length);
        check(`hidden.${layer}`, await device.read(hidden));
      }
      using final = await model.final(hidden, ids.length);
      check("hidden.final", await device.read(final));
      check("logits", await model.logits(ids));
      const greedy = await model.generate(ids, { maxNewTokens: 12, stop: [] });
      assertEquals([...greedy], [...golden.get("greedy_ids")?.data as Int32Array], dir);
    });
  }
}

/** A copy of a checkpoint directory, by links, with another config.json. */
async function withConfig(source: string, config: string, stack: DisposableStack): Promise<string> {
  const directory = await Deno.makeTempDir();
  stack.defer(() => Deno.removeSync(directory, { recursive: true }));
  for await (const { name } of Deno.readDir(source)) {
    if (name.startsWith("model")) await Deno.symlink(`${source}/${name}`, `${directory}/${name}`);
  }
  await Deno.copyFile(`${source}/${config}`, `${directory}/config.json`);
  return directory;
}

Deno.test("every model type has a checkpoint with golden values", () => {
  const tested = new Set(entries.map(({ family }) => family));
  assertEquals(modelTypes.filter((type) => !tested.has(type)), []);
  assert(entries.length >= 38);
});
