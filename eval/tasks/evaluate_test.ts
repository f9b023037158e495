/** What goes wrong with data is told with its place, a log goes on where it ends, and sharing contexts changes no bit. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { loadModel } from "../../model/load.ts";
import { kivi } from "../../quant/methods/kivi.ts";
import { quantize } from "../../quant/quantize.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { readRows } from "./data.ts";
import { taskEncoder } from "./encoder.ts";
import { TaskError } from "./error.ts";
import { evaluateTask, type TaskOptions } from "./evaluate.ts";
import { LikelihoodScorer } from "./likelihood.ts";
import { encodePair, tokenRequest } from "./requests.ts";
import type { TaskExample } from "./result.ts";

const good = { goal: "To dig", sol1: "Take the spade.", sol2: "Take the soap.", label: 0 };
const line = (change: Record<string, unknown>) => JSON.stringify({ ...good, ...change });

/** Runs `body` with a file of that content. */
async function withFile(
  name: string,
  content: string | Uint8Array<ArrayBuffer>,
  body: (path: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/${name}`;
  try {
    if (typeof content === "string") await Deno.writeTextFile(path, content);
    else await Deno.writeFile(path, content);
    await body(path);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

interface BadFile {
  readonly what: string;
  readonly task?: string;
  readonly file?: string;
  readonly content: string | Uint8Array<ArrayBuffer>;
  readonly code: string;
  readonly message: string;
  readonly options?: TaskOptions;
}

const badFiles: readonly BadFile[] = [
  {
    what: "a missing field",
    content: `${line({})}\n${line({ sol2: undefined })}`,
    code: "format",
    message: ":2: sol2 is missing",
  },
  {
    what: "a field of another type",
    content: line({ goal: 7 }),
    code: "format",
    message: ":1: goal is 7: expected a string",
  },
  {
    what: "a wrong label",
    content: `${line({})}\n\n${line({ label: 2 })}`,
    code: "label",
    message: ":3: label is 2: expected 0 to 1",
  },
  {
    what: "a missing label",
    content: line({ label: undefined }),
    code: "format",
    message: ":1: label is missing",
  },
  { what: "an empty file", content: "", code: "empty", message: ":1: no examples" },
  { what: "blank lines only", content: "\n \n", code: "empty", message: ":1: no examples" },
  { what: "broken JSON", content: `${line({})}\n{"goal": `, code: "json", message: ":2: not valid JSON" },
  {
    what: "a line that is no object",
    content: `${line({})}\n[1]`,
    code: "format",
    message: ":2: expected an object",
  },
  {
    what: "another encoding",
    content: new Uint8Array([...new TextEncoder().encode(`${line({})}\n`), 0x22, 0xe9, 0x22]),
    code: "encoding",
    message: ":2: the text is not UTF-8",
  },
  {
    what: "an example longer than the model",
    content: `${line({})}\n${line({ goal: "dig ".repeat(3000) })}`,
    code: "length",
    message: ":2: the example takes ",
  },
  {
    what: "JSON that is no list",
    file: "piqa.json",
    content: "{}",
    code: "format",
    message: ":1: expected a list of examples",
  },
  {
    what: "a bad element of a JSON list",
    file: "piqa.json",
    content: `[\n${line({})},\n${line({ label: "x" })}\n]`,
    code: "label",
    message: ':3: label is "x"',
  },
  {
    what: "a CSV row with too few columns",
    file: "piqa.csv",
    content: "goal,sol1,sol2,label\na,b,c,1\na,b\n",
    code: "csv",
    message: ":3: ",
  },
  {
    what: "a CSV label",
    file: "piqa.csv",
    content: 'goal,sol1,sol2,label\na,"b\nb",c,1\na,b,c,3\n',
    code: "label",
    message: ':4: label is "3": expected 0 to 1',
  },
  { what: "no Parquet", file: "piqa.parquet", content: "PAR0", code: "parquet", message: "piqa.parquet: " },
  {
    what: "an answer key that is no label",
    task: "arc_easy",
    content: '{"question":"q","choices":{"text":["a","b"],"label":["A","B"]},"answerKey":"C"}',
    code: "label",
    message: ':1: answerKey is "C": expected one of "A", "B"',
  },
  {
    what: "texts without labels",
    task: "arc_easy",
    content: '{"question":"q","choices":{"text":["a","b"],"label":["A","B","C"]},"answerKey":"C"}',
    code: "format",
    message: ":1: choices has 2 texts and 3 labels",
  },
  {
    what: "a sentence without a gap",
    task: "winogrande",
    content: '{"sentence":"s","option1":"a","option2":"b","answer":"1"}',
    code: "format",
    message: ":1: sentence is",
  },
  {
    what: "labels that begin with a falsehood",
    task: "truthfulqa_mc2",
    content: '{"question":"q","mc2_targets":{"choices":["a","b"],"labels":[0,1]}}',
    code: "label",
    message: ":1: mc2_targets.labels is [0,1]",
  },
  {
    what: "more worked examples than there are",
    content: `${line({})}\n${line({})}`,
    code: "option",
    message: "fewShot is 2: there are only 2",
    options: { fewShot: 2 },
  },
];

Deno.test("bad data is refused with file and line", async (t) => {
  using model = await loadModel("fixture:llama");
  for (const { what, task = "piqa", file, content, code, message, options } of badFiles) {
    await t.step(what, () =>
      withFile(file ?? `${task}.jsonl`, content, async (data) => {
        const error = await assertRejects(
          () => evaluateTask(model, task, { ...options, data }),
          TaskError,
          message,
        );
        assertEquals(error.code, code);
        if (code !== "option") assert(error.message.startsWith(data), error.message);
      }));
  }
});

Deno.test("options that make no sense are refused, by name", async () => {
  using model = await loadModel("fixture:llama");
  const wrong: [string, TaskOptions, string][] = [
    ["nothing", {}, 'There is no task "nothing"'],
    ["piqa", { limit: 0 }, "limit is 0"],
    ["piqa", { maxLength: 4096 }, "maxLength is 4096"],
    ["piqa", { fewShot: 1.5 }, "fewShot is 1.5"],
    ["gsm8k", { maxNewTokens: 0 }, "maxNewTokens is 0"],
    ["gsm8k", { maxNewTokens: 2048 }, "maxNewTokens is 2048"],
    ["piqa", { data: "/nowhere" }, "/nowhere: no file piqa"],
    ["mmlu", { data: { examples: [good] } }, "data must be a directory"],
  ];
  for (const [task, options, message] of wrong) {
    await assertRejects(() => evaluateTask(model, task, options), TaskError, message);
  }
});

Deno.test("JSON, CSV and JSON Lines of the same rows give the same numbers", async () => {
  using model = await loadModel("fixture:llama");
  const rows = [good, {
    goal: "To see",
    sol1: 'Take the "soap",\nuse it.',
    sol2: "Take the lantern.",
    label: 1,
  }];
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const files = {
    "a.jsonl": rows.map((row) => JSON.stringify(row)).join("\r\n"),
    "a.json": `\ufeff${JSON.stringify(rows, null, 2)}`,
    "a.csv": [
      "\ufeffgoal,sol1,sol2,label",
      ...rows.map(({ goal, sol1, sol2, label }) => [goal, sol1, sol2, String(label)].map(quoted).join()),
    ].join("\n"),
  };
  const found: TaskExample[][] = [];
  for (const [name, content] of Object.entries(files)) {
    await withFile(name, content, async (data) => {
      const { examples } = await evaluateTask(model, "piqa", { data });
      found.push(examples.map((one) => ({ ...one, where: "" })));
    });
  }
  const memory = await evaluateTask(model, "piqa", { data: { examples: rows } });
  for (const one of found) assertEquals(one, memory.examples.map((example) => ({ ...example, where: "" })));
  assertEquals(memory.examples[1].where, "data.examples[1]");
});

Deno.test("a Parquet file with nested columns, as pyarrow writes it, has the rows of the JSON Lines", async () => {
  const fixtures = pathOf(new URL("../../fixtures/", import.meta.url));
  const [parquet, lines] = [
    await readRows(`${fixtures}expected/tasks/arc_easy.parquet`),
    await readRows(`${fixtures}tasks/arc_easy.jsonl`),
  ];
  assertEquals(parquet.map(({ values }) => values), lines.slice(0, 6).map(({ values }) => values));
  assertEquals(parquet[5].where, `${fixtures}expected/tasks/arc_easy.parquet: row 6`);
});

Deno.test("an interrupted run goes on with its log and repeats nothing", async () => {
  using model = await loadModel("fixture:llama");
  const directory = await Deno.makeTempDir();
  const log = `${directory}/piqa.jsonl`;
  try {
    const whole = await evaluateTask(model, "piqa", { limit: 8 });
    const stop = new Error("pulled the plug");
    await assertRejects(
      () =>
        evaluateTask(model, "piqa", {
          limit: 8,
          log,
          onExample: (_, done) => {
            if (done === 5) throw stop;
          },
        }),
      Error,
      stop.message,
    );
    // A kill may leave half a line.
    await Deno.writeTextFile(log, '{"kind":"choice","id":5,"wh', { append: true });
    const seen: TaskExample[] = [];
    const computed: number[] = [];
    const resumed = await evaluateTask(model, "piqa", {
      limit: 8,
      log,
      onExample: (example, done, total) => {
        assertEquals(total, 8);
        seen.push(example);
        if (done > 5) computed.push(example.id);
      },
    });
    assertEquals(resumed, whole);
    assertEquals(computed, [5, 6, 7]);
    const lines = (await Deno.readTextFile(log)).trimEnd().split("\n");
    assertEquals(lines.slice(1).map((one) => JSON.parse(one).id), [0, 1, 2, 3, 4, 5, 6, 7]);
    const error = await assertRejects(() => evaluateTask(model, "piqa", { limit: 7, log }), TaskError);
    assertEquals([error.code, error.message.startsWith(`${log}:1: the log belongs to another run`)], [
      "log",
      true,
    ]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a done example is taken from the log, not computed again", async () => {
  using model = await loadModel("fixture:llama");
  const directory = await Deno.makeTempDir();
  const log = `${directory}/piqa.jsonl`;
  try {
    await evaluateTask(model, "piqa", { limit: 2, log });
    const text = await Deno.readTextFile(log);
    await Deno.writeTextFile(log, text.replaceAll('"acc":1', '"acc":0.25'));
    const { metrics } = await evaluateTask(model, "piqa", { limit: 2, log });
    assertEquals(metrics.acc, 0.25);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

async function sharesWithoutATrace(name: string): Promise<void> {
  using model = await loadModel(name);
  const context = `${"The bell of Tom is grey. ".repeat(12)}\nQuestion: what is grey?\nAnswer:`;
  const pairs = [" the bell", " the boat", " the bell of Rose", " Tom"].map((text) =>
    encodePair(taskEncoder(model), context, text)
  );
  const requests = pairs.map((pair) => tokenRequest(pair, 2048));
  using scorer = new LikelihoodScorer(model);
  const shared = await scorer.score(requests);
  const again = await scorer.score(requests.toReversed());
  assertEquals(again.toReversed(), shared);
  const all = requests.reduce((sum, { fed }) => sum + fed.length, 0);
  assert(scorer.tokensComputed < all / 3, `${scorer.tokensComputed} of ${2 * all} tokens`);
  for (const [i, { fed, targets }] of requests.entries()) {
    const logits = await model.logits(fed);
    const width = model.architecture.vocabularySize;
    let sum = 0;
    for (const [j, target] of targets.entries()) {
      const row = logits.subarray((fed.length - targets.length + j) * width).subarray(0, width);
      const most = row.reduce((a, b) => Math.max(a, b));
      sum += row[target] - most - Math.log(row.reduce((total, one) => total + Math.exp(one - most), 0));
    }
    assertEquals(shared[i].logProbability, sum);
  }
}

for (const name of ["fixture:llama", "fixture:opt"]) {
  Deno.test(`sharing contexts saves most tokens and changes no bit of ${name}`, () =>
    sharesWithoutATrace(name));
}

Deno.test("what does not treat tokens one by one is fed whole sequences", async () => {
  using model = await loadModel("fixture:llama");
  const pair = (text: string) => tokenRequest(encodePair(taskEncoder(model), "The bell is", text), 2048);
  const requests = [pair(" grey"), pair(" the very same")];
  const all = requests.reduce((sum, { fed }) => sum + fed.length, 0);
  for (
    const scheme of [{ kv: kivi({ bits: 2 }) }, { activations: rtn({ bits: 8, granularity: "tensor" }) }]
  ) {
    using quantized = await quantize(model, scheme);
    using scorer = new LikelihoodScorer(quantized);
    await scorer.score(requests);
    assertEquals(scorer.tokensComputed, all);
  }
  using weights = await quantize(model, { weights: rtn({ bits: 4 }) });
  using scorer = new LikelihoodScorer(weights);
  await scorer.score(requests);
  assert(scorer.tokensComputed < all);
});

const knows = "the fixture model knows its own task sets, and a 2-bit one does not";
Deno.test(knows, { ignore: onSoftwareGpu }, async () => {
  using model = await loadModel("fixture:llama");
  using coarse = await quantize(model, { weights: rtn({ bits: 2 }) });
  for (const [task, chance] of [["arc_easy", 0.25], ["winogrande", 0.5]] as const) {
    const float = await evaluateTask(model, task, { limit: 40 });
    const low = await evaluateTask(coarse, task, { limit: 40 });
    // Four standard errors of guessing.
    const far = 4 * Math.sqrt(chance * (1 - chance) / 40);
    assert(float.metrics.acc > chance + far, `${task}: ${float.metrics.acc}`);
    assert(low.metrics.acc < float.metrics.acc - 0.2, `${task} at 2 bits: ${low.metrics.acc}`);
  }
});

Deno.test("a longer context is cut from the left on request", async () => {
  using model = await loadModel("fixture:llama");
  const data = { examples: [{ ...good, goal: `${"dig ".repeat(100)}.` }] };
  await assertRejects(() => evaluateTask(model, "piqa", { data, maxLength: 64 }), TaskError, "takes");
  const { examples: [example] } = await evaluateTask(model, "piqa", { data, maxLength: 64, truncate: true });
  if (example.kind !== "choice") throw new Error("piqa is a choice");
  for (const { contextIds, continuationIds, truncated } of example.choices) {
    assertEquals(truncated, contextIds.length + continuationIds.length - 65);
  }
});
