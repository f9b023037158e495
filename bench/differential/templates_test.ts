/** The stored cases of `templates.py`: the text that transformers 5.24 and jinja2 3.1.6 gave, or a refusal. */
import { assert, assertEquals } from "@std/assert";
import { compare, emptyTally, type TemplateCase } from "./templates.ts";

const file = new URL("../../fixtures/templates/cases.jsonl.gz", import.meta.url);
const packed = (await Deno.open(file)).readable.pipeThrough(new DecompressionStream("gzip"));
const cases: TemplateCase[] = (await new Response(packed).text()).split("\n").filter(Boolean).map((line) =>
  JSON.parse(line)
);

for (const sort of ["hand", "idiom", "statements", "expressions", "mutated"] as const) {
  Deno.test(`chat templates (${sort}) come out as in transformers, or are refused by name`, async () => {
    const tally = emptyTally(), chosen = cases.filter((one) => one.sort === sort);
    for (const one of chosen) await compare(one, tally);
    const { cases: count, equal, bothRefuse, refused, different } = tally;
    assertEquals(different, []);
    assertEquals(count, chosen.length);
    assert(count > 80 && equal + bothRefuse > 0.94 * count, JSON.stringify(refused));
  });
}

Deno.test("a difference is seen", async () => {
  const [one] = cases.filter(({ text }) => text !== undefined && text !== "");
  const tally = emptyTally();
  await compare({ ...one, text: `${one.text}.` }, tally);
  await compare({ ...one, text: undefined, error: "refused" }, tally);
  assertEquals(tally.different.length, 2);
});
