/** The stored cases of `vocabularies.py`: ids and texts of tokenizers 0.23.3, sentencepiece 0.2.3 and transformers 5.24, or a refusal. */
import { assert, assertEquals } from "@std/assert";
import { casesIn, compare, emptyTally, type TokenizerCase } from "./vocabularies.ts";

const file = new URL("../../fixtures/differential/vocabularies.jsonl.gz", import.meta.url);
const cases: TokenizerCase[] = await Array.fromAsync(
  casesIn((await Deno.open(file)).readable.pipeThrough(new DecompressionStream("gzip"))),
);

for (const [sort, most] of [["json", 0.05], ["pieces", 0], ["files", 0.05]] as const) {
  Deno.test(`tokenizers (${sort}) give the ids and texts of the original libraries, or are refused`, async () => {
    const tally = emptyTally(), chosen = cases.filter((one) => one.sort === sort);
    for (const one of chosen) await compare(one, tally);
    assertEquals(tally.different, []);
    const refused = Object.values(tally.refused).reduce((sum, one) => sum + one, 0);
    assert(tally.equal >= 40 && refused <= most * (tally.equal + refused), JSON.stringify(tally));
  });
}

Deno.test("a difference is seen", async () => {
  const [one] = cases.filter(({ texts }) => texts?.some(({ text }) => text.length > 3));
  const texts = (one.texts ?? []).map((each) => ({ ...each, ids: [...each.ids, 0], plain: [0] }));
  const tally = emptyTally();
  await compare({ ...one, texts }, tally);
  assertEquals(tally.different.length, texts.length);
});
