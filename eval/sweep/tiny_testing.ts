/** A sweep of cells that take milliseconds, for tests of the machinery: one layer of a fixture model, a line of text. */
import { rtn } from "../../quant/methods/rtn.ts";
import { pathOf } from "../../base/file.ts";
import { corpus } from "../corpus.ts";
import type { DeviceProfile } from "../cost.ts";
import type { SweepPlan } from "./plan.ts";

const free = [
  "calls",
  "states",
  "attention",
  "logits",
  "rounded",
  "decoded.rtn",
  "weights.rtn",
  "tokens.rtn",
];

/** A device to which all these cells are alike: only products take time. */
export const tinyProfile: DeviceProfile = {
  description: "all cells alike",
  seconds: { ...Object.fromEntries(free.map((kind) => [kind, 0])), products: 1e-10 },
};

/** Makes the model in a directory, and up to 224 cells on it. */
export async function tinySweep(directory: string, count: number): Promise<SweepPlan> {
  const source = pathOf(new URL("../../fixtures/models/llama/", import.meta.url));
  await Deno.mkdir(directory, { recursive: true });
  for (const name of ["model.safetensors", "tokenizer.json", "tokenizer_config.json"]) {
    await Deno.copyFile(source + name, `${directory}/${name}`);
  }
  const config = JSON.parse(await Deno.readTextFile(`${source}config.json`));
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...config, num_hidden_layers: 1 }));
  const ranges = [
    { granularity: "channel" },
    { granularity: "tensor" },
    { granularity: "group", groupSize: 32 },
    { granularity: "group", groupSize: 128 },
  ] as const;
  const cells = [2, 3, 4, 5, 6, 7, 8].flatMap((bits) =>
    ranges.flatMap((range) =>
      [undefined, 2, 3, 4, 5, 6, 7, 8].map((inputs) => ({
        model: directory,
        label: `W${bits}A${inputs ?? 16} ${range.granularity}`,
        scheme: {
          weights: rtn({ bits, ...range }),
          ...inputs !== undefined && { activations: rtn({ bits: inputs, granularity: "token" }) },
        },
      }))
    )
  );
  return { cells: cells.slice(0, count), windows: await corpus("sotu", { windows: 1, length: 16 }) };
}
