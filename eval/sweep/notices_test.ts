/** What of a model's files was not used stands in every row that was measured on it. */
import { assert, assertEquals } from "@std/assert";
import { fixtureModels, loadModel } from "../../model/load.ts";
import { sweep } from "../sweep.ts";
import { taskSweep } from "./tasks.ts";
import { tinySweep } from "./tiny_testing.ts";

Deno.test("rows of sweeps and of task sweeps carry the model's notices, and none where there are none", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { cells: [cell], windows } = await tinySweep(`${folder}/odd`, 1);
    const path = `${folder}/odd/config.json`, config = JSON.parse(await Deno.readTextFile(path));
    await Deno.writeTextFile(path, JSON.stringify({ ...config, planted_scale: 2 }));
    const cells = [{ ...cell, model: "fixture:llama" }, cell];
    const tasks = { tasks: ["piqa"], limit: 1 };
    for (const results of [null, `${folder}/results`, `${folder}/results`]) {
      for (
        const rows of [
          await sweep(cells, { windows, results }),
          await taskSweep(cells, { ...tasks, results }),
        ]
      ) {
        assertEquals(rows[0].notices, undefined);
        assert(rows[1].notices?.some((one) => one.includes("planted_scale")), rows[1].notices?.join());
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the suite's own models leave nothing unused: their notebooks have nothing to tell", async () => {
  for (const name of fixtureModels) {
    using model = await loadModel(`fixture:${name}`);
    assertEquals(model.notices, [], name);
  }
});
