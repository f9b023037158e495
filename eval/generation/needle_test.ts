import { assert, assertEquals, assertGreaterOrEqual, assertRejects, assertThrows } from "@std/assert";
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { loadModel } from "../../model/load.ts";
import { kivi } from "../../quant/methods/kivi.ts";
import { quantize } from "../../quant/quantize.ts";
import { needle, NeedleError, type NeedleOptions, needlePrompt, publishedKeys } from "./needle.ts";

Deno.test("the reference's prompt: ten blocks of 127 lines around the key, a space at the end", () => {
  const line = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";
  assertEquals(line.length, 89);
  const haystack = `${line}\n`.repeat(127);
  assertEquals(haystack.length, 11_430);
  for (const key of publishedKeys) {
    assertEquals(
      needlePrompt({ key, lines: 1270, depth: 0.5, question: "trailingSpace" }),
      "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. " +
        "I will quiz you about the important information there.\n" + haystack.repeat(5) +
        `The pass key is ${key}. Remember it. ${key} is the pass key.\n` + haystack.repeat(5) +
        "What is the pass key? The pass key is ",
    );
  }
});

Deno.test("the key stands at its depth: no filler before it at 0, none after it at 1", () => {
  for (const [depth, before] of [[0, 0], [0.26, 2], [0.5, 5], [0.99, 9], [1, 10]]) {
    const text = needlePrompt({ key: "k", lines: 10, depth });
    assertEquals(text.slice(0, text.indexOf("The pass key")).split("green").length - 1, before);
    assertEquals(text.split("green").length - 1, 10);
    assert(text.endsWith("The pass key is"));
  }
});

Deno.test("prompts fill the length they are given, keys follow the seed", async () => {
  using model = await loadModel("fixture:llama");
  const ask = (seed: number) => needle(model, { depths: [0.5], lengths: [120, 200], keys: 2, seed });
  const first = await ask(1);
  assertEquals(await ask(1), first);
  const keys = (result: typeof first) => result.cells.flatMap(({ trials }) => trials.map(({ key }) => key));
  assertEquals(new Set([...keys(first), ...keys(await ask(2))]).size, 8);
  for (const { tokens, length, lines, hits, trials } of first.cells) {
    // A line of filler takes 25 tokens.
    assert(tokens <= length && tokens > length - 30, `${tokens} of ${length} tokens`);
    assert(lines > 0);
    assertEquals(hits, trials.filter(({ key, answer }) => answer.includes(key)).length);
  }
  assertEquals(first.cells.map(({ length }) => length), [120, 200]);
});

const depths = "the fixture model finds keys at all depths, and not with a 1-bit cache";
Deno.test(depths, { ignore: onSoftwareGpu }, async () => {
  using model = await loadModel("fixture:llama");
  const options = { depths: [0, 0.5, 1], lengths: [300], keys: 3 };
  const seen: number[] = [];
  const float = await needle(model, { ...options, onCell: (_, done, total) => seen.push(done / total) });
  assertEquals(seen, [1 / 3, 2 / 3, 1]);
  // Its makers measured 10 of 10 with other keys; a miss or two in nine is what chance may do.
  assertGreaterOrEqual(float.value * 9, 7);
  const hits = float.cells.reduce((sum, cell) => sum + cell.hits, 0);
  assertEquals([float.value, float.cells.length], [hits / 9, 3]);
  using forgetful = await quantize(model, { kv: kivi({ bits: 1, residualLength: 32 }) });
  const lost = await needle(forgetful, options);
  assert(lost.value < float.value - 0.5, `${lost.value} found with 1 bit`);
  assertEquals(
    lost.cells.flatMap(({ trials }) => trials.map(({ key }) => key)),
    float.cells.flatMap(({ trials }) => trials.map(({ key }) => key)),
  );
});

const positions =
  "a prompt never leaves the model's positions, and one that cannot be short enough is refused";
Deno.test(positions, { ignore: onSoftwareGpu }, async () => {
  using model = await loadModel("fixture:llama");
  const long = await needle(model, { depths: [1], lengths: [5000], keys: ["ab1c3"] });
  assert(long.cells[0].tokens < 2048 && long.cells[0].tokens > 2000);
  const error = await assertRejects(
    () => needle(model, { depths: [1], lengths: [40], keys: ["ab1c3"] }),
    NeedleError,
    "lengths has 40",
  );
  assertEquals(error.code, "length");
});

Deno.test("options that make no sense are refused, by name", async () => {
  using model = await loadModel("fixture:llama");
  const wrong: [Partial<NeedleOptions>, string][] = [
    [{ depths: [] }, "depths is"],
    [{ depths: [1.5] }, "depth is 1.5"],
    [{ lengths: [] }, "lengths is"],
    [{ keys: 0 }, "keys is 0"],
    [{ keys: [] }, "keys is"],
    [{ question: "spaced" as "plain" }, "question is"],
  ];
  for (const [options, message] of wrong) {
    const error = await assertRejects(
      () => needle(model, { depths: [0], lengths: [200], ...options }),
      NeedleError,
      message,
    );
    assertEquals(error.code, "option");
  }
  assertThrows(() => needlePrompt({ key: "k", lines: -1, depth: 0 }), NeedleError, "lines is -1");
});
