/** `quantbook measure --task`: what a model answers, and what a scheme makes of it. */
import type { TaskOptions } from "../eval/tasks/evaluate.ts";
import type { HarnessVersion } from "../eval/tasks/task.ts";
import { columns } from "./output.ts";
import type { Call } from "./verb.ts";

/** Measures a task. */
export async function measureTask(call: Call): Promise<number> {
  const { calibrationOf, modelOf, schemeOf, wordOf } = await import("./model_options.ts");
  const { compareTasks } = await import("../eval/tasks/compare.ts");
  const { evaluateTask } = await import("../eval/tasks/evaluate.ts");
  const { quantize } = await import("../quant/quantize.ts");
  const { writeScheme } = await import("../quant/notation/scheme.ts");
  const { out } = call, scheme = await schemeOf(call), name = call.required("task", "arc_easy");
  const options: TaskOptions = {
    data: call.text("data"),
    limit: call.count("limit"),
    fewShot: call.count("shots", 0),
    harness: call.text("harness") as HarnessVersion | undefined,
  };
  // What cannot be written is said before anything runs.
  const receipt = call.text("receipt");
  if (receipt !== undefined) (await import("../eval/receipt/task.ts")).taskOfReceipt(name);
  using model = await modelOf(call, wordOf(call, "MODEL"));
  const start = performance.now(), text = writeScheme(scheme), plain = Object.keys(scheme).length === 0;
  const progress = (what: string) => (_: unknown, done: number, total: number) =>
    out.progress(what, { done, total });
  const float = await evaluateTask(model, name, { ...options, onExample: progress("asking") });
  using coarse = plain ? null : await quantize(model, scheme, {
    calibration: await calibrationOf(call, model),
    onProgress: (_, share) => share && out.progress("quantizing", share),
  });
  const quantized = coarse &&
    await evaluateTask(coarse, name, { ...options, onExample: progress("asking again") });
  const seconds = (performance.now() - start) / 1000, found = quantized ?? float;
  const differences = quantized && Object.fromEntries(
    Object.keys(found.examples[0]?.metrics ?? {}).map((
      metric,
    ) => [metric, compareTasks(quantized, float, metric)]),
  );
  const directory = call.text("out");
  const files = directory === undefined ? [] : await written(call, directory, coarse ?? model, found, {
    ...{ options, quantization: text, seconds },
  });
  if (receipt !== undefined) await writeReceipt(call, model.name, scheme, name, options, receipt);
  const { asked, examples } = found,
    numbers = ({ metrics, standardErrors }: typeof found) => ({ metrics, standardErrors });
  const measured = {
    ...{ model: model.name, task: name, examples: examples.length, asked, scheme: text },
    float: numbers(float),
    quantized: quantized && { ...numbers(quantized), differences },
    ...{ files, device: model.device.description, seconds },
  };
  const rows = ({ metrics, standardErrors }: typeof found) =>
    Object.entries(metrics).map(([metric, value]) => {
      const error = standardErrors[metric], said = Number.isNaN(error) ? "?" : error.toFixed(4);
      const difference = differences?.[metric];
      const beside = found === float || difference === undefined || difference === null
        ? ""
        : `difference ${difference.value.toPrecision(3)} ± ${difference.standardError.toPrecision(2)}, p = ${
          difference.pValue.toPrecision(2)
        }`;
      return [metric, `${value.toFixed(4)} ± ${said}`, beside];
    });
  out.result(measured, () => [
    `${
      out.bold(model.name)
    } on ${name}, ${examples.length} examples, as lm-evaluation-harness ${asked?.harness}` +
    `${asked?.addBosToken ? "" : ", no first token"}`,
    ...columns(rows(float).map(([metric, value]) => [metric, value])),
    ...quantized === null ? [] : [out.bold(text), ...columns(rows(quantized))],
    ...files,
  ]);
  return 0;
}

/** Writes the files of others, and returns their paths. */
async function written(
  call: Call,
  directory: string,
  model: Parameters<typeof import("../eval/tasks/files/evaluation.ts").writeEvaluation>[1],
  result: Parameters<typeof import("../eval/tasks/files/evaluation.ts").writeEvaluation>[2],
  run: { readonly options: TaskOptions; readonly quantization: string; readonly seconds: number },
): Promise<string[]> {
  const { default: { version } } = await import("../deno.json", { with: { type: "json" } });
  const { writeEvaluation } = await import("../eval/tasks/files/evaluation.ts");
  return await writeEvaluation(directory, model, result, {
    ...run,
    organization: call.text("organization") ?? "unknown",
    version,
    id: crypto.randomUUID(),
    date: Date.now() / 1000 - run.seconds,
  });
}

/** Measures once more, and writes the receipt. */
async function writeReceipt(
  call: Call,
  model: string,
  scheme: Awaited<ReturnType<typeof import("./model_options.ts").schemeOf>>,
  name: string,
  { data, ...options }: TaskOptions,
  file: string,
): Promise<void> {
  const { makeTaskReceipt } = await import("../eval/receipt/task.ts");
  const { calibrationText, modelOf } = await import("./model_options.ts");
  const { writeAtomic } = await import("../base/file.ts");
  const { writeNumbers } = await import("../base/json.ts");
  using opened = await modelOf(call, model);
  const receipt = await makeTaskReceipt({
    ...{ model, scheme, task: { name, ...data !== undefined && { data }, ...options } },
    ...Object.keys(scheme).length > 0 && { calibration: calibrationText(call, opened) },
    onDocument: (share) => call.out.progress("measuring again", share),
  });
  await writeAtomic(file, [new TextEncoder().encode(`${writeNumbers(receipt)}\n`)]);
}
