/** Receipts of tasks are confirmed where they are honest, and every planted forgery is found. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { readNumbers, writeNumbers } from "../../base/json.ts";
import { cpuDevice } from "../../kernels/cpu/device.ts";
import { loadModel } from "../../model/load.ts";
import { gptq } from "../../quant/methods/gptq.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { quantize } from "../../quant/quantize.ts";
import { verifyReceipt } from "./verify.ts";
import { evaluateTask } from "../tasks/evaluate.ts";
import { ReceiptError } from "./error.ts";
import { sealOf } from "./receipt.ts";
import { type DocumentClaim, makeTaskReceipt, type TaskReceipt } from "./task.ts";

using device = await cpuDevice({ threads: 1 });
const task = { name: "arc_easy", limit: 6, fewShot: 1, seed: 7, harness: "0.4.13" } as const;
const run = { model: "fixture:llama", scheme: { weights: rtn({ bits: 4 }) }, task, device };
const honest = await makeTaskReceipt(run);
/** Another run of the same questions: other numbers. */
const other = await makeTaskReceipt({ ...run, scheme: { weights: rtn({ bits: 2 }) } });

Deno.test("a task's receipt has the numbers of evaluateTask, and is confirmed in whole, in part and after a file", async () => {
  using float = await loadModel("fixture:llama", { device });
  using model = await quantize(float, run.scheme);
  const { metrics, standardErrors, examples } = await evaluateTask(model, task.name, task);
  assertEquals(honest.value, { metrics, standardErrors });
  const scores = examples.map((one) =>
    one.kind === "choice" ? one.choices.map((each) => each.logProbability) : []
  );
  assertEquals(honest.documents.map((one) => one.scores.map((each) => each.logProbability)), scores);
  const whole = await verifyReceipt(readNumbers(writeNumbers(honest)), { device });
  assertEquals([whole.verdict, whole.problems, whole.windows], ["confirmed", [], [0, 1, 2, 3, 4, 5]]);
  const part = await verifyReceipt(honest, { device, sample: 2, seed: 1 });
  assertEquals([part.verdict, part.windows.length], ["confirmed", 2]);
  assert(part.covers.includes(`2 of 6 documents (${part.windows.join(", ")})`), part.covers);
  const alone = await verifyReceipt(honest, { device, sample: 0 });
  assertEquals([alone.verdict, alone.windows], ["consistent", []]);
  assert(alone.covers.endsWith("no document was measured again"), alone.covers);
});

Deno.test("honest receipts pass on another number of threads, of pages, of rows, calibrated, and of one answer", async () => {
  using several = await cpuDevice({ threads: 3 });
  const made = await makeTaskReceipt({ ...run, device: several });
  assertEquals([made.device.threads, made.logits], [3, honest.logits]);
  assertEquals((await verifyReceipt(made, { device, sample: 3 })).problems, []);
  assertEquals((await verifyReceipt(honest, { device: several })).problems, []);
  const examples = [{ page: " = One = \n\n Once upon a time , there was a whale .\n" }, {
    page: " = Two = \n\n And the sea .\n",
  }];
  const pages = await makeTaskReceipt({
    model: "fixture:llama",
    task: { name: "wikitext", maxLength: 8, data: { examples } },
    device,
  });
  assert(pages.documents[0].scores.length > 1);
  assertEquals(pages.task.data, null);
  assertEquals((await verifyReceipt(pages, { device, data: { examples } })).problems, []);
  assertEquals(
    (await verifyReceipt(pages, { device, data: { examples: examples.toReversed() } })).problems[0].code,
    "text",
  );
  const error = await assertRejects(
    () => verifyReceipt(pages, { device }),
    ReceiptError,
    "pass verifyReceipt(..., { data })",
  );
  assertEquals(error.code, "text");
  const words = await makeTaskReceipt({
    ...{ model: "fixture:llama", scheme: { weights: gptq({ bits: 4 }) }, execution: "packed", device },
    ...{
      task: { name: "lambada_openai", limit: 3 },
      calibration: { name: "calibration", windows: 2, length: 32, seed: 0 },
    },
  });
  assertEquals((await verifyReceipt(words, { device })).verdict, "confirmed");
});

/** A forger knows how receipts are made, and seals what he changed. */
function forged(change: (receipt: TaskReceipt) => Partial<TaskReceipt>): TaskReceipt {
  const { digests, seal: _, ...body } = { ...honest, ...change(honest) };
  return { ...body, digests, seal: sealOf(body, digests) };
}

const zeros = "0".repeat(64);
/** The answer that a forger would like: each question's scores such that the first document's are right. */
const lifted = (document: DocumentClaim): DocumentClaim => ({
  ...document,
  scores: document.scores.map((one, i) => i === 0 ? { ...one, logProbability: -0.5 } : one),
});
/** Scores of a document that changed, and the value that they give. */
async function withDocuments(documents: readonly DocumentClaim[]): Promise<Partial<TaskReceipt>> {
  const found = await verifyReceipt(forged(() => ({ documents })), { device, sample: 0 });
  const said = found.problems.find(({ code }) => code === "value");
  // A change that no metric sees leaves the value as it is.
  return said === undefined ? { documents } : { documents, value: await valueOf(documents) };
}
async function valueOf(documents: readonly DocumentClaim[]): Promise<TaskReceipt["value"]> {
  using float = await loadModel("fixture:llama", { device });
  const { openReceiptTask } = await import("./task.ts");
  using open = await openReceiptTask(float, task);
  return open.valueOf(documents);
}
const all = await withDocuments(honest.documents.map(lifted));
const first = await withDocuments(honest.documents.map((one, i) => i === 0 ? lifted(one) : one));
const mixed = await withDocuments(honest.documents.map((one, i) => i % 2 === 0 ? one : other.documents[i]));

/** What was forged, how many documents are measured again, and what has to be found. */
const forgeries: readonly [what: string, code: string, sample: number, TaskReceipt][] = [
  [
    "an accuracy",
    "value",
    0,
    forged(({ value }) => ({
      value: { ...value, metrics: { ...value.metrics, acc: value.metrics.acc - 0.01 } },
    })),
  ],
  [
    "its standard error",
    "value",
    0,
    forged(({ value }) => ({ value: { ...value, standardErrors: { acc: 0.125, acc_norm: 0.125 } } })),
  ],
  ["all scores, and the value with them", "scores", 1, forged(() => all)],
  ["the scores of a document that is not measured again", "digest", 1, forged(() => first)],
  [
    "whether an answer is the likeliest",
    "digest",
    1,
    forged(({ documents: [one, ...rest] }) => ({
      documents: [
        { ...one, scores: one.scores.map((each) => ({ ...each, isGreedy: !each.isGreedy })) },
        ...rest,
      ],
    })),
  ],
  ["the scores of two runs", "digest", 1, forged(() => mixed)],
  [
    "the digests of two runs",
    "digest",
    6,
    forged(({ digests }) => ({
      digests: digests.map((one, i) => i === 2 ? other.digests[i] : one),
    })),
  ],
  [
    "two documents in each other's place",
    "requests",
    0,
    forged(({ documents: [a, b, ...rest], digests: [x, y, ...others] }) => ({
      documents: [b, a, ...rest],
      digests: [y, x, ...others],
    })),
  ],
  [
    "what was asked",
    "requests",
    0,
    forged(({ documents: [one, ...rest] }) => ({ documents: [{ ...one, requests: zeros }, ...rest] })),
  ],
  [
    "an answer less",
    "count",
    0,
    forged(({ documents: [one, ...rest] }) => ({
      documents: [{ ...one, scores: one.scores.slice(1) }, ...rest],
    })),
  ],
  ["a document less", "count", 0, forged(({ documents }) => ({ documents: documents.slice(1) }))],
  [
    "a document less, in every place",
    "text",
    1,
    forged(({ documents, digests, rows }) => ({
      ...{ documents: documents.slice(1), digests: digests.slice(1), rows: { ...rows, documents: 5 } },
    })),
  ],
  [
    "a document less, and of the limit",
    "text",
    1,
    forged(({ documents, digests, rows, task: asked }) => ({
      ...{ documents: documents.slice(0, 5), digests: digests.slice(0, 5), rows: { ...rows, documents: 5 } },
      task: { ...asked, limit: 5 },
    })),
  ],
  ["the hash of the rows", "text", 1, forged(({ rows }) => ({ rows: { ...rows, hash: zeros } }))],
  [
    "the name of the task",
    "text",
    1,
    forged(({ task: asked }) => ({ task: { ...asked, name: "arc_challenge" } })),
  ],
  ["the worked examples", "text", 1, forged(({ task: asked }) => ({ task: { ...asked, fewShot: 0 } }))],
  ["their seed", "text", 1, forged(({ task: asked }) => ({ task: { ...asked, seed: 8 }, seed: 8 }))],
  ["the seed, in one place", "seed", 0, forged(() => ({ seed: 8 }))],
  [
    "the harness",
    "requests",
    1,
    forged(({ task: asked }) => ({ task: { ...asked, harness: "0.4.8" as const } })),
  ],
  [
    "whether texts got the first token",
    "requests",
    0,
    forged(({ task: asked }) => ({ task: { ...asked, addBosToken: false } })),
  ],
  [
    "that contexts may be cut",
    "digest",
    1,
    forged(({ task: asked }) => ({ task: { ...asked, truncate: true } })),
  ],
  [
    "the scheme",
    "model",
    1,
    forged(({ model }) => ({ model: { ...model, scheme: { weights: rtn({ bits: 3 }) } } })),
  ],
  ["the scheme with its hash", "digest", 1, forged(() => ({ model: other.model }))],
  [
    "the hash of the model's files",
    "model",
    1,
    forged(({ model }) => ({ model: { ...model, files: zeros } })),
  ],
  [
    "the model's name",
    "model",
    1,
    forged(({ model }) => ({ model: { ...model, specifier: "fixture:opt" } })),
  ],
  [
    "the calibration text",
    "calibration",
    1,
    forged(() => ({
      calibration: { from: { name: "moby", windows: 1, length: 16 }, hash: zeros, windows: 1 },
    })),
  ],
  ["the device", "device", 1, forged((one) => ({ device: { ...one.device, name: "gpu" } }))],
  [
    "what the device is",
    "digest",
    1,
    forged((one) => ({ device: { ...one.device, description: "NVIDIA H200" } })),
  ],
  ["its threads", "digest", 1, forged((one) => ({ device: { ...one.device, threads: 64 } }))],
  ["a version", "digest", 1, forged(({ versions }) => ({ versions: { ...versions, deno: "3.0.0" } }))],
  ["the source", "source", 0, forged(() => ({ source: zeros }))],
  ["the seconds", "digest", 1, forged(() => ({ seconds: { quantize: 0, evaluate: 0.001 } }))],
  ["the memory", "digest", 1, forged(() => ({ peakBytes: 1 }))],
  ["how weights were multiplied", "digest", 1, forged(() => ({ execution: "packed" as const }))],
  ["the hash of all logits", "digest", 1, forged(() => ({ logits: other.logits }))],
  ["a number, by accident", "seal", 0, { ...honest, peakBytes: honest.peakBytes + 1 }],
];

Deno.test(`${forgeries.length} planted forgeries of a task are found, each for what it is`, async (t) => {
  for (const [what, code, sample, receipt] of forgeries) {
    await t.step(what, async () => {
      const { verdict, problems } = await verifyReceipt(receipt, { device, sample, seed: 5 });
      assertEquals(verdict, "refuted");
      assert(problems.some((one) => one.code === code), problems.map(({ message }) => message).join("\n"));
    });
  }
});

Deno.test("the sample of one above has not the first document, whose forgeries it finds", async () => {
  const { windows } = await verifyReceipt(honest, { device, sample: 1, seed: 5 });
  assert(!windows.includes(0), windows.join());
});

Deno.test("what is no receipt of a task, or has none, is refused by name", async () => {
  const refused = async (receipt: unknown, message: string) => {
    const error = await assertRejects(() => verifyReceipt(receipt, { device }), ReceiptError, message);
    assertEquals(error.code, "format");
  };
  const { seal: _, ...open } = honest;
  await refused(open, "seal is undefined: expected a SHA-256");
  await refused({ ...honest, quantbookTaskReceipt: 2 }, "quantbookTaskReceipt is 2: expected 1");
  await refused({ ...honest, task: { ...task, harness: "0.4.9" } }, 'task.harness is "0.4.9"');
  await refused({ ...honest, task: { ...task, log: "x" } }, "task.log is no field");
  await refused(
    { ...honest, documents: [{ requests: zeros, scores: [{ logProbability: 0 }] }] },
    "documents[0].scores[0].isGreedy",
  );
  for (const name of ["mmlu", "gsm8k"]) {
    const error = await assertRejects(() => makeTaskReceipt({ ...run, task: { name } }), ReceiptError, name);
    assertEquals(error.code, "task");
  }
});
