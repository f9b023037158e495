/** Printed orders are found as they are planted, none is found where there is none, and a stored outcome can be measured again. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { TorchRandom } from "../../../base/random.ts";
import { rtn } from "../../../quant/methods/rtn.ts";
import type { Claim, ClaimTable } from "../files.ts";
import { loadClaims } from "../../claims.ts";
import { judgeOrderings } from "./judge.ts";
import { measureOutcome } from "./measure.ts";
import { loadOutcomes, type Outcome, schemeKey } from "./outcomes.ts";
import { questionOf, wantedOf } from "./questions.ts";

/** A column of round-to-nearest rows, as GPTQ's tables have them: bits and what is printed. */
function column(
  printed: readonly (readonly [bits: number, value: number])[],
  metric: string,
  key: string,
): ClaimTable {
  const claims = printed.map(([bits, value]): Claim => ({
    id: `${key}/${bits}`,
    paper: "gptq",
    table: key,
    model: "a model",
    method: "RTN",
    settings: { bits },
    dataset: key,
    metric,
    key,
    value,
    sourceLine: null,
  }));
  const about = { metric, dataset: key, unit: null, model: null, higherIsBetter: metric === "acc" };
  const columns = [{ key, ...about }];
  return {
    id: key,
    paper: "gptq",
    title: "",
    section: "",
    source: "",
    notes: [],
    columns,
    claims,
    annotations: [],
  };
}

const keyOf = (bits: number) => schemeKey({ weights: rtn({ bits, granularity: "channel" }) });
const noise = new TorchRandom(7);
const losses = (mean: number) => Array.from(noise.normals(24), (one) => mean + 0.01 * one);

Deno.test("an order is held, reversed on one model, or open, whichever side is printed first", () => {
  const outcomes = (["a", "b"] as const).flatMap((model): Outcome[] => [
    { model, scheme: keyOf(2), losses: losses(4) },
    { model, scheme: keyOf(3), losses: losses(model === "a" ? 3.5 : 4.5) },
    { model, scheme: keyOf(4), losses: losses(3) },
  ]);
  for (const printed of [[[4, 5], [3, 6], [2, 7]], [[2, 7], [3, 6], [4, 5]]] as const) {
    const { judgements, comparisons } = judgeOrderings([column(printed, "perplexity", "text")], outcomes);
    const of = (better: number, worse: number) =>
      comparisons.find((one) => one.better === `text/${better}` && one.worse === `text/${worse}`);
    assertEquals(of(4, 2)?.verdict, "held");
    assertEquals(of(4, 3)?.verdict, "held");
    // On model b three bits are worse than two.
    assertEquals(of(3, 2)?.verdict, "reversed");
    assertEquals(Object.fromEntries(judgements.map(({ claim, verdict }) => [claim, verdict])), {
      "text/4": "held",
      "text/3": "notHeld",
      "text/2": "notHeld",
    });
    assertAlmostEquals(of(4, 2)?.tests[0].value ?? 0, 1, 0.02);
  }
});

Deno.test("answers count where one row has them and the other has not", () => {
  const answers = (right: number) => ({ "arc_easy acc": "1".repeat(right) + "0".repeat(60 - right) });
  const table = column([[4, 70.5], [3, 60.5], [2, 65.5]], "acc", "arc_easy");
  const outcomes = [[4, 50], [3, 49], [2, 20]].map(([bits, right]): Outcome => ({
    model: "a",
    scheme: keyOf(bits),
    answers: answers(right),
  }));
  const { comparisons } = judgeOrderings([table], outcomes);
  const verdicts = comparisons.map(({ better, worse, verdict }) =>
    [better.slice(-1), worse.slice(-1), verdict].join(" ")
  );
  assertEquals(verdicts.sort(), ["2 3 reversed", "4 2 held", "4 3 open"]);
});

Deno.test("a scheme that no model runs says why", () => {
  const table = column([[3, 6], [4, 5]], "perplexity", "text");
  const { judgements } = judgeOrderings([table], [
    { model: "a", scheme: keyOf(3), refused: "groups do not divide" },
    { model: "a", scheme: keyOf(4), losses: losses(3) },
  ]);
  assertEquals(judgements.map(({ missing }) => missing), [
    "a model that runs its scheme (groups do not divide)",
    "a second row of its column that prints another value and runs here",
  ]);
});

Deno.test("where there is no difference, few of 500 models show one", () => {
  const outcomes = Array.from({ length: 500 }, (_, i) => `model ${i}`).flatMap((model): Outcome[] =>
    [3, 4].map((bits) => ({ model, scheme: keyOf(bits), losses: losses(3) }))
  );
  const { comparisons: [{ tests }] } = judgeOrderings(
    [column([[3, 6], [4, 5]], "perplexity", "text")],
    outcomes,
  );
  assertEquals(tests.length, 500);
  assert(tests.filter(({ pValue }) => pValue <= 0.05).length <= 2);
});

Deno.test("what cannot be asked says what is missing", async () => {
  const claims = await loadClaims();
  const missing = new Set(claims.map(questionOf).flatMap((one) => "missing" in one ? [one.missing] : []));
  assert(missing.has("the GPU kernels that were timed"));
  assert([...missing].every((text) => /^(a|an|the) /.test(text)), [...missing].join("\n"));
});

Deno.test("every scheme of the tables has an outcome on every model, and one is measured again", async () => {
  const { rows, texts } = await loadOutcomes();
  const wanted = wantedOf(await loadClaims());
  for (const model of Object.keys(texts)) {
    const stored = new Set(rows.filter((row) => row.model === model).map(({ scheme }) => scheme));
    assertEquals(wanted.filter(({ scheme }) => !stored.has(schemeKey(scheme))), [], model);
  }
  const scheme = { weights: rtn({ bits: 3, granularity: "channel" as const }) };
  const model = "fixture:opt", settings = { windows: 2, length: 256, calibration: 1, questions: 0 };
  const again = await measureOutcome(scheme, [], { model, ...settings });
  const before = rows.find((row) => row.model === model && row.scheme === again.scheme);
  for (const [i, loss] of (again.losses ?? []).entries()) {
    assertAlmostEquals(loss, before?.losses?.[i] ?? NaN, 1e-6);
  }
});
