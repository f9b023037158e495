import { assert, assertAlmostEquals, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { pathOf } from "../base/file.ts";
import { referenceDevice } from "../kernels/reference.ts";
import { variantOf } from "../model/checkpoint/variant_testing.ts";
import { loadModel } from "../model/load.ts";
import { kivi } from "../quant/methods/kivi.ts";
import { quantize } from "../quant/quantize.ts";
import { rtn } from "../quant/methods/rtn.ts";
import type { Scheme } from "../quant/scheme.ts";
import { smoothQuant } from "../quant/methods/smoothquant.ts";
import { CorpusError } from "./windows.ts";
import { divergence, FloatPredictions, RecentPredictions, windowDivergence } from "./metrics/divergence.ts";
import { measure } from "./metrics/measure.ts";
import { oracleWindows } from "./oracle.ts";
import { pairedDifference, trend } from "./metrics/paired.ts";
import { perplexity, perplexityOf } from "./metrics/perplexity.ts";
import { ResultsError } from "./store/contract.ts";
import { sweep } from "./sweep.ts";
import type { Row } from "./sweep/cell.ts";

const windows = (await oracleWindows("test")).slice(0, 3).map((ids) => ids.slice(0, 64));
const cells = [8, 6, 5, 4, 3, 2].map((bits) => ({
  model: "fixture:llama",
  label: `W${bits}`,
  scheme: { weights: rtn({ bits }) },
}));
/** What must not depend on when and where a row was measured. */
const values = (rows: readonly Row[]) => rows.map(({ seconds: _, peakBytes: __, ...rest }) => rest);

Deno.test("perplexity and divergence agree with sums in float64 over the twin's logits", async () => {
  using twin = await loadModel("fixture:llama", { device: referenceDevice() });
  using float = await loadModel("fixture:llama");
  using model = await quantize(float, { weights: rtn({ bits: 3 }) });
  using twinQuantized = await quantize(twin, { weights: rtn({ bits: 3 }) });
  const short = windows.slice(0, 2).map((ids) => ids.slice(0, 12));
  const measured = await measure(model, short, await FloatPredictions.of(float, short));
  assertEquals(measured.perplexity, await perplexity(model, short));
  assertEquals(measured.divergence, await divergence(model, float, short));
  for (const [i, ids] of short.entries()) {
    const p = await twin.logits(ids), q = await twinQuantized.logits(ids);
    const logSoftmax = (logits: Float32Array, t: number) => {
      const row = Array.from(logits.subarray(t * 2048, (t + 1) * 2048));
      const most = Math.max(...row);
      const norm = most + Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0));
      return row.map((x) => x - norm);
    };
    let nll = 0, kl = 0;
    for (let t = 0; t < ids.length; t++) {
      const lp = logSoftmax(p, t), lq = logSoftmax(q, t);
      if (t + 1 < ids.length) nll -= lq[ids[t + 1]] / (ids.length - 1);
      kl += lp.reduce((sum, x, j) => sum + Math.exp(x) * (x - lq[j]), 0) / ids.length;
    }
    assertAlmostEquals(measured.perplexity.windowNll[i], nll, 1e-5);
    const single = (await divergence(model, float, [ids])).value;
    assertAlmostEquals(single, kl, 1e-5);
  }
});

Deno.test("standard errors are those of the mean over windows", () => {
  const { value, standardError } = perplexityOf([1, 2, 3], [10, 10, 10]);
  assertAlmostEquals(value, Math.exp(2), 1e-12);
  assertAlmostEquals(standardError, Math.exp(2) * Math.sqrt(1 / 3), 1e-12);
  const a = perplexityOf([1, 2, 3, 4], [1, 1, 1, 1]), b = perplexityOf([1.1, 2.3, 3.1, 4.3], [1, 1, 1, 1]);
  const difference = pairedDifference(a, b);
  assertAlmostEquals(difference.value, -0.2, 1e-12);
  assertAlmostEquals(difference.t, -0.2 / (0.2 / Math.sqrt(3) / 2), 1e-9);
  assertEquals([trend(a, b), trend(b, a), trend(a, a)], ["held", "not held", "undecidable"]);
  assertEquals(windowDivergence(Float32Array.of(-1, -2), Float32Array.of(-1, -2), [2, 2]), {
    kl: 0,
    agreement: 1,
  });
});

Deno.test("a second sweep measures nothing and gives the same rows", async () => {
  const results = await Deno.makeTempDir();
  try {
    const cached: boolean[] = [];
    const run = () =>
      sweep(cells.slice(0, 2), {
        windows,
        results,
        onRow: (_row, _done, _total, found) => cached.push(found),
      });
    const first = await run();
    assertEquals(await run(), first);
    assertEquals(cached, [false, false, true, true]);
    assertGreater(first[1].divergence?.value ?? 0, first[0].divergence?.value ?? 1);
    await Deno.writeTextFile(`${results}/${first[0].key}.json`, "{");
    const error = await assertRejects(run, ResultsError, "is not JSON");
    assertEquals(error.code, "corrupt");
  } finally {
    await Deno.remove(results, { recursive: true });
  }
});

Deno.test("a sweep killed with SIGKILL resumes and gives bit-identical rows", async () => {
  const results = await Deno.makeTempDir();
  const count = () =>
    Array.from(Deno.readDirSync(results)).filter(({ name }) => name.endsWith(".json")).length;
  const script = `
    import { sweep } from "${new URL("./sweep.ts", import.meta.url)}";
    const { cells, windows } = JSON.parse(await new Response(Deno.stdin.readable).text());
    await sweep(cells, { windows: windows.map((ids) => Int32Array.from(ids)), results: ${
    JSON.stringify(results)
  } });`;
  try {
    for (let kill = 0; kill < 2; kill++) {
      const before = count();
      const config = pathOf(new URL("../deno.json", import.meta.url));
      const command = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-A",
          "--no-check",
          `--config=${config}`,
          `data:text/typescript,${encodeURIComponent(script)}`,
        ],
        stdin: "piped",
        stdout: "null",
        stderr: "inherit",
      });
      const child = command.spawn();
      const writer = child.stdin.getWriter();
      await writer.write(
        new TextEncoder().encode(JSON.stringify({ cells, windows: windows.map((ids) => Array.from(ids)) })),
      );
      await writer.close();
      while (count() === before) await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill("SIGKILL");
      await child.status;
    }
    const survived = count();
    assert(survived >= 2 && survived < cells.length, `${survived} rows survived`);
    let cached = 0;
    const resumed = await sweep(cells, {
      windows,
      results,
      onRow: (_row, _done, _total, found) => cached += Number(found),
    });
    assertEquals(cached, survived);
    assertEquals(values(resumed), values(await sweep(cells, { windows, results: null })));
  } finally {
    await Deno.remove(results, { recursive: true });
  }
});

Deno.test("cells that share quantized weights have the rows they have alone", async () => {
  const token = rtn({ bits: 6, granularity: "token" });
  const weights = rtn({ bits: 4, groupSize: 64 });
  const smooth = { transforms: [smoothQuant({ alpha: 0.5 })], weights };
  const schemes: Scheme[] = [
    { weights },
    { weights, activations: token },
    { weights, kv: kivi({ bits: 2, residualLength: 32 }) },
    smooth,
    { ...smooth, activations: token },
    {},
  ];
  const cells = schemes.map((scheme) => ({ model: "fixture:llama", label: "", scheme }));
  const options = { windows: windows.slice(0, 1), calibration: windows.slice(1), results: null };
  const alone: Row[] = [];
  for (const cell of cells) alone.push(...await sweep([cell], options));
  const together = await sweep(cells, options);
  assertEquals(values(together), values(alone));
  assertEquals(new Set(together.map(({ perplexity }) => perplexity.value)).size, cells.length);
});

Deno.test("references are kept while they fit, the most recent longest", async () => {
  using model = await loadModel("fixture:llama");
  const windows = [Int32Array.of(1, 2, 3)];
  const bytes = 3 * model.architecture.vocabularySize * 4;
  const recent = new RecentPredictions(2.5 * bytes);
  const made: string[] = [];
  const get = (name: string) =>
    recent.get(name, () => {
      made.push(name);
      return FloatPredictions.of(model, windows);
    });
  for (const name of ["a", "b", "a", "c", "a", "b"]) assertEquals((await get(name)).byteLength, bytes);
  assertEquals(made, ["a", "b", "c", "b"]);
});

Deno.test("windows that say nothing are refused", async () => {
  await assertRejects(() => sweep(cells, { windows: [] }), CorpusError, "windows is empty");
  await assertRejects(
    () => sweep(cells, { windows: [Int32Array.of(1)] }),
    CorpusError,
    "windows[0] has 1 tokens: expected at least 2",
  );
});

Deno.test("packed execution gives the values of simulated execution, under a key of its own", async () => {
  const few = { windows: windows.slice(0, 1), results: null };
  const [simulated] = await sweep(cells.slice(3, 4), few);
  const [packed] = await sweep(cells.slice(3, 4), { ...few, execution: "packed" });
  assertEquals(packed.perplexity, simulated.perplexity);
  assertEquals(packed.divergence, simulated.divergence);
  assert(packed.key !== simulated.key);
});

Deno.test("windows of another vocabulary are refused: their ids would mean other words", async () => {
  using model = await loadModel("fixture:llama");
  const foreign = Object.assign([Int32Array.of(0, 5, 7)], { vocabularySize: 50257 });
  const error = await assertRejects(
    () => perplexity(model, foreign),
    CorpusError,
    "a tokenizer of 50257 tokens",
  );
  assertEquals(error.code, "option");
  await assertRejects(
    () => divergence(model, model, foreign),
    CorpusError,
    "pass corpus(..., { tokenizer: model.tokenizer })",
  );
});

Deno.test("planted: a row says what the files of its model say that was not used", async () => {
  await using variant = await variantOf("models/llama", { config: { planted_scale: 2 } });
  const cell = { model: variant.directory, label: "float", scheme: {} };
  const [row] = await sweep([cell], { windows: windows.slice(0, 1), results: null });
  assertEquals(row.notices, [
    `${variant.directory}/config.json: planted_scale (2) is not known here and was not used`,
  ]);
  const [plain] = await sweep([{ ...cell, model: "fixture:llama" }], {
    windows: windows.slice(0, 1),
    results: null,
  });
  assertEquals(plain.notices, undefined);
});
