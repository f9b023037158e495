/** Some hundred cases of `models.py` with logits of transformers 5.24: each is equal or refused by name. */
import { assert, assertEquals } from "@std/assert";
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { modelTypes } from "../../model/families.ts";
import { add, casesIn, emptyTally, judge, type ModelCase } from "./models.ts";

async function stored(): Promise<ModelCase[]> {
  const file = await Deno.open(new URL("../../fixtures/differential/models.jsonl.gz", import.meta.url));
  const cases = casesIn(file.readable.pipeThrough(new DecompressionStream("gzip")));
  return (await Array.fromAsync(cases)).flatMap((one) => "skipped" in one ? [] : [one]);
}

Deno.test({
  name: "random decoders of every model type compute what transformers computes, or are refused by name",
  ignore: onSoftwareGpu,
  async fn() {
    const tally = emptyTally();
    const cases = await stored();
    for (const one of cases) await add(one, tally);
    assertEquals(tally.different, []);
    assert(tally.equal >= 0.8 * cases.length, `${tally.equal} of ${cases.length}`);
    const types = new Set(cases.map(({ type }) => type));
    assertEquals(modelTypes.filter((type) => !types.has(type)), []);
  },
});

Deno.test("a wrong weight, a wrong key and a wrong logit are noticed", async () => {
  const one = (await stored()).find(({ type }) => type === "llama");
  assert(one !== undefined);
  const outcome = async (change: Partial<ModelCase>) => (await judge({ ...one, ...change })).kind;
  assertEquals(await outcome({}), "equal");
  assertEquals(await outcome({ seed: one.seed + 1 }), "different");
  assertEquals(await outcome({ config: one.config.replace("{", '{"sliding_window_pattern": 7, ') }), "equal");
  assertEquals(
    await outcome({ some: one.some?.map(([at, value]) => [at, value + one.deviation / 1000]) }),
    "different",
  );
  assertEquals(
    await outcome({ config: one.config.replace(/"vocab_size": \d+/, '"vocab_size": "many"') }),
    "refused",
  );
});
