/** Variants of every family's configuration give the logits of transformers 5.24, or are refused by the name of what was changed. */
import { assert, assertMatch } from "@std/assert";
import { QuantbookError } from "../base/error.ts";
import { pathOf } from "../base/file.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import { variantOf } from "./checkpoint/variant_testing.ts";
import { loadModel } from "./load.ts";

interface Case {
  readonly dir: string;
  readonly file: string;
  readonly change: JsonObject;
  readonly deviation: number;
  readonly short: readonly number[];
  readonly last: readonly number[];
}

const folder = pathOf(new URL("../fixtures", import.meta.url));
const cases: Case[] = JSON.parse(await Deno.readTextFile(`${folder}/configs/config_cases.json`));
const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 7 + 3) % 160);

/** Fields that transformers passes over where this suite refuses them, or sizes that it has defaults for. */
const refusals = new RegExp(
  "json: (rope_(parameters|scaling): )?(full_attention|use_bidirectional_attention|is_causal|attention_chunk_size|" +
    "partial_rotary_factor|layer_types|rope_parameters|rope_scaling|num_attention_heads|n_head|n_layer|attn_logit_softcapping|" +
    "scale_attn_by_inverse_layer_idx) (is|must be) ",
);

/** Null where the logits are those of the case; or the message of the refusal; throws when they are others. */
async function outcome(
  { file, change, deviation, short, last }: Case,
  directory: string,
): Promise<string | null> {
  const config: unknown = JSON.parse(await Deno.readTextFile(`${directory}/${file}`));
  assert(isJsonObject(config));
  const changed = Object.entries({ ...config, ...change }).filter(([, value]) => value !== "(absent)");
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(Object.fromEntries(changed)));
  try {
    using model = await loadModel(directory);
    const logits = await model.logits(ids), width = logits.length / ids.length;
    const part = await model.logits(ids.subarray(0, 10));
    for (
      const [expected, found] of [[last, logits.subarray(23 * width)], [
        short,
        part.subarray(9 * width),
      ]] as const
    ) {
      const worst = Math.max(...expected.map((value, i) => Math.abs(value - found[i])));
      assert(
        worst < 1e-4 * deviation + 1e-5,
        `${JSON.stringify(change)}: ${worst} off; ${model.notices.join("; ")}`,
      );
    }
    return null;
  } catch (error) {
    if (!(error instanceof QuantbookError)) throw error;
    return error.message;
  }
}

for (const dir of new Set(cases.map((one) => one.dir))) {
  Deno.test(`${dir}: variants of its configuration`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      for (const name of ["model.safetensors", "config.json", "config.legacy.json"]) {
        const target = `${directory}/${name === "config.json" ? "config.new.json" : name}`;
        await Deno.copyFile(`${folder}/families/${dir}/${name}`, target).catch(() => {});
      }
      let computed = 0;
      for (const one of cases.filter((each) => each.dir === dir)) {
        const file = one.file === "config.json" ? "config.new.json" : one.file;
        const message = await outcome({ ...one, file }, directory);
        if (message === null) computed++;
        else assertMatch(message, refusals, `${JSON.stringify(one.change)}: ${message}`);
      }
      // Most variants mean something.
      assert(computed >= 24, `${computed}`);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("what a section has beside its fields is told, sizes of single layers are refused", async () => {
  const change = (config: JsonObject) => variantOf("families/llama_mha", { config });
  const yarn = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32, attn_factor: 0.878 };
  await using told = await change({ rope_parameters: undefined, rope_scaling: yarn });
  using model = await loadModel(told.directory);
  assertMatch(model.notices.join(), /rope_scaling: attn_factor \(0\.878\) .* was not used/);
  await using sized = await change({ per_layer_config: { "1": { head_dim: 8 } } });
  const refused = loadModel(sized.directory);
  assertMatch(String(await refused.catch((error) => error)), /CheckpointError: .*per_layer_config is/);
});
