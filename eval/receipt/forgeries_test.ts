/** Receipts are confirmed where they are honest, on any number of threads, and every planted forgery is found. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { readNumbers, writeNumbers } from "../../base/json.ts";
import { cpuDevice } from "../../kernels/cpu/device.ts";
import { loadModel } from "../../model/load.ts";
import { gptq } from "../../quant/methods/gptq.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { quantize } from "../../quant/quantize.ts";
import { corpus } from "../corpus.ts";
import { compare } from "../compare.ts";
import { measure } from "../metrics/measure.ts";
import { FloatPredictions } from "../metrics/divergence.ts";
import { makeReceipt } from "../receipt.ts";
import { verifyReceipt } from "./verify.ts";
import { ReceiptError } from "./error.ts";
import { type Receipt, sealOf, type WindowClaim } from "./receipt.ts";
import { valueOf } from "./value.ts";

using device = await cpuDevice({ threads: 1 });
const text = { name: "sotu", windows: 4, length: 24, seed: 3 }, scheme = { weights: rtn({ bits: 4 }) };
const run = { model: "fixture:llama", scheme, text, reference: { model: "fixture:llama" }, device };
const honest = await makeReceipt(run);
/** Another run: other windows, other numbers. */
const other = await makeReceipt({ ...run, scheme: { weights: rtn({ bits: 3 }) } });

Deno.test("a receipt has the numbers of measure, and is confirmed in whole, in part and after a file", async () => {
  using float = await loadModel("fixture:llama", { device });
  using model = await quantize(float, scheme);
  const windows = await corpus("sotu", text);
  const { perplexity, divergence } = await measure(model, windows, await FloatPredictions.of(float, windows));
  assertEquals(honest.windows.map(({ loss }) => loss), perplexity.windowNll);
  assertEquals(honest.value.perplexity.value, perplexity.value);
  assertEquals(honest.value.divergence, divergence);
  // The same numbers as a comparison's, position by position.
  const {
    candidates: [{ model: _, scheme: __, label: ___, bytes: ____, bitsPerWeight: _____, ...summary }],
  } = await compare(
    "fixture:llama",
    [{ model: "fixture:llama", scheme, label: "W4" }],
    { windows, device, results: null, noise: false },
  );
  assertEquals(honest.value.comparison, summary);
  const whole = await verifyReceipt(readNumbers(writeNumbers(honest)), { device });
  assertEquals([whole.verdict, whole.problems, whole.windows], ["confirmed", [], [0, 1, 2, 3]]);
  const part = await verifyReceipt(honest, { device, sample: 2, seed: 1 });
  assertEquals([part.verdict, part.windows.length], ["confirmed", 2]);
  assert(part.covers.includes(`2 of 4 windows (${part.windows.join(", ")})`), part.covers);
  const alone = await verifyReceipt(honest, { device, sample: 0 });
  assertEquals([alone.verdict, alone.windows], ["consistent", []]);
  assert(alone.covers.endsWith("no window was measured again"));
});

Deno.test("honest receipts pass on another number of threads, packed, with a calibration, and of token ids", async () => {
  using several = await cpuDevice({ threads: 3 });
  const made = await makeReceipt({ ...run, device: several });
  assertEquals([made.device.threads, made.logits], [3, honest.logits]);
  assertEquals((await verifyReceipt(made, { device })).problems, []);
  assertEquals((await verifyReceipt(honest, { device: several })).problems, []);
  const windows = [...await corpus("moby", { windows: 2, length: 16 })];
  const calibrated = await makeReceipt({
    ...{ model: "fixture:llama", scheme: { weights: gptq({ bits: 4 }) }, execution: "packed", device },
    ...{ text: windows, calibration: { name: "calibration", windows: 2, length: 32, seed: 0 } },
  });
  assertEquals([calibrated.value.divergence, calibrated.text.from, calibrated.seed], [null, null, null]);
  assertEquals((await verifyReceipt(calibrated, { device, windows })).verdict, "confirmed");
  const error = await assertRejects(
    () => verifyReceipt(calibrated, { device }),
    ReceiptError,
    "pass verifyReceipt",
  );
  assertEquals(error.code, "text");
  const elsewhere = await verifyReceipt(calibrated, { device, windows: windows.toReversed() });
  assertEquals(elsewhere.problems[0].code, "text");
});

/** A forger knows how receipts are made, and seals what he changed. */
function forged(change: (receipt: Receipt) => Partial<Receipt>, from = honest): Receipt {
  const { digests, seal: _, ...body } = { ...from, ...change(from) };
  return { ...body, digests, seal: sealOf(body, digests) };
}

const windows = await corpus("sotu", text);
const withWindows = (found: readonly WindowClaim[]) => ({
  windows: found,
  value: { comparison: honest.value.comparison, ...valueOf(found, windows) },
});
const better = (one: WindowClaim) => ({ ...one, loss: one.loss - 0.01 });
const zeros = "0".repeat(64);
/** What was forged, how many windows are measured again, and what has to be found. */
const forgeries: readonly [what: string, code: string, sample: number, Receipt][] = [
  [
    "a perplexity",
    "value",
    0,
    forged(({ value }) => ({
      value: { ...value, perplexity: { ...value.perplexity, value: value.perplexity.value - 1 } },
    })),
  ],
  [
    "a divergence",
    "value",
    0,
    forged(({ value }) => ({
      value: { ...value, divergence: { value: 0, standardError: 0, top1Agreement: 1 } },
    })),
  ],
  [
    "its standard error",
    "value",
    0,
    forged(({ value }) => ({
      value: { ...value, perplexity: { ...value.perplexity, standardError: 0 } },
    })),
  ],
  [
    "a quantile of the comparison",
    "digest",
    1,
    forged(({ value }) => ({
      value: {
        ...value,
        comparison: value.comparison && {
          ...value.comparison,
          divergence: { ...value.comparison.divergence, p99: value.comparison.divergence.median },
        },
      },
    })),
  ],
  [
    "the whole comparison",
    "value",
    4,
    forged(({ value }) => ({ value: { ...value, comparison: other.value.comparison } })),
  ],
  [
    "all losses, and the value with them",
    "loss",
    1,
    forged(({ windows }) => withWindows(windows.map(better))),
  ],
  [
    "one loss, of a window that is not measured again",
    "digest",
    1,
    forged(({ windows }) => withWindows(windows.map((one, i) => i === 0 ? better(one) : one))),
  ],
  [
    "the scheme",
    "model",
    1,
    forged(({ model }) => ({
      model: { ...model, scheme: { weights: rtn({ bits: 3 }) } },
    })),
  ],
  ["the scheme with its hash", "digest", 1, forged(() => ({ model: other.model }))],
  ["the scheme of the reference", "divergence", 1, forged(({ model }) => ({ reference: model }))],
  [
    "that there was a reference",
    "digest",
    1,
    forged(({ windows: all }) => ({
      reference: null,
      ...withWindows(all.map(({ loss }) => ({ loss, divergence: null, agreement: null }))),
    })),
  ],
  [
    "the text's place",
    "text",
    1,
    forged(({ text: claim }) => ({
      text: { ...claim, from: { ...text, seed: 4 } },
      seed: 4,
    })),
  ],
  ["the text's hash", "text", 1, forged(({ text: claim }) => ({ text: { ...claim, hash: zeros } }))],
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
    forged((one) => ({
      device: { ...one.device, description: "NVIDIA H200" },
    })),
  ],
  ["its threads", "digest", 1, forged((one) => ({ device: { ...one.device, threads: 64 } }))],
  ["a version", "digest", 1, forged(({ versions }) => ({ versions: { ...versions, deno: "3.0.0" } }))],
  ["the source", "source", 0, forged(() => ({ source: zeros }))],
  ["the seed", "seed", 0, forged(() => ({ seed: 7 }))],
  ["the seconds", "digest", 1, forged(() => ({ seconds: { quantize: 0, evaluate: 0.001 } }))],
  ["the memory", "digest", 1, forged(() => ({ peakBytes: 1 }))],
  ["how weights were multiplied", "digest", 1, forged(() => ({ execution: "packed" as const }))],
  ["a window less", "count", 0, forged(({ windows: all }) => ({ windows: all.slice(1) }))],
  [
    "a window less, in every place",
    "text",
    1,
    forged(({ windows: all, digests, text: claim }) => ({
      ...{ windows: all.slice(1), digests: digests.slice(1), text: { ...claim, windows: 3 } },
    })),
  ],
  [
    "losses of two runs",
    "digest",
    1,
    forged(({ windows: all }) => withWindows(all.map((one, i) => i % 2 === 0 ? one : other.windows[i]))),
  ],
  [
    "digests of two runs",
    "digest",
    4,
    forged(({ digests }) => ({
      digests: digests.map((one, i) => i === 2 ? other.digests[i] : one),
    })),
  ],
  [
    "two windows in each other's place",
    "digest",
    4,
    forged(({ digests: [a, b, ...rest], windows: [x, y, ...others] }) => ({
      digests: [b, a, ...rest],
      ...withWindows([y, x, ...others]),
    })),
  ],
  ["the hash of all logits", "digest", 1, forged(() => ({ logits: other.logits }))],
  ["a number, by accident", "seal", 0, { ...honest, peakBytes: honest.peakBytes + 1 }],
];

Deno.test(`${forgeries.length} planted forgeries are found, each for what it is`, async (t) => {
  for (const [what, code, sample, receipt] of forgeries) {
    await t.step(what, async () => {
      const { verdict, problems } = await verifyReceipt(receipt, { device, sample, seed: 5 });
      assertEquals(verdict, "refuted");
      assert(problems.some((one) => one.code === code), problems.map(({ message }) => message).join("\n"));
    });
  }
});

Deno.test("what is no receipt is refused by the name of its field", async () => {
  const refused = async (receipt: unknown, message: string) => {
    const error = await assertRejects(() => verifyReceipt(receipt, { device }), ReceiptError, message);
    assertEquals(error.code, "format");
  };
  const { seal: _, ...open } = honest;
  await refused(open, "seal is undefined: expected a SHA-256");
  await refused({ ...honest, quantbookReceipt: 2 }, "quantbookReceipt is 2: expected 1");
  await refused({ ...honest, note: "" }, "note is no field");
  await refused({ ...honest, windows: [{ loss: "1" }] }, 'windows[0].loss is "1": expected a number');
  await refused(
    { ...honest, text: { ...honest.text, from: { name: "sotu", length: 24, stride: 2 } } },
    "text.from.stride",
  );
  await refused([], "receipt is []: expected an object");
  await assertRejects(() => verifyReceipt(honest, { device, sample: 1.5 }), ReceiptError, "sample is 1.5");
});
