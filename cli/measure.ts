/** `quantbook measure`: perplexity of a model, and of what a scheme makes of it. */
import {
  calibrationOptions,
  modelOptions,
  modelWord,
  schemeOptions,
  taskOptions,
  textOptions,
} from "./shared_options.ts";
import type { Perplexity } from "../eval/metrics/perplexity.ts";
import type { Model } from "../model/model.ts";
import type { Scheme } from "../quant/scheme.ts";
import type { Call, Verb } from "./verb.ts";

/** The verb. */
export const verb: Verb = {
  about:
    "Measures the perplexity of a model on windows of text, with its standard error. With a scheme, also of what the scheme makes " +
    "of it: the paired difference, the divergence of its predictions, and its bits per weight. With --task the same of a task of " +
    "lm-evaluation-harness, question by question.",
  words: [modelWord],
  options: [
    ...schemeOptions,
    ...textOptions,
    ...calibrationOptions,
    {
      flags: "--receipt FILE",
      about: "measure once more, and write what it takes to do so again (quantbook verify)",
    },
    ...taskOptions,
    ...modelOptions,
  ],
  examples: [
    "quantbook measure fixture:llama",
    "quantbook measure fixture:llama --weights rtn:4:g32 --kv kivi:2 --windows 4 --length 256 --json",
    "quantbook measure fixture:llama --task arc_easy --limit 8 --harness 0.4.13 --out evaluation --receipt task.json",
  ],
  async run(call) {
    if (call.text("task") !== undefined) return await (await import("./measure_task.ts")).measureTask(call);
    const { UsageError } = await import("./command_line.ts");
    for (const { flags } of taskOptions) {
      const [name] = flags.slice(2).split(" ");
      if (call.text(name) !== undefined) {
        throw new UsageError(`--${name} is of a task: expected --task NAME, such as --task arc_easy`);
      }
    }
    const { calibrationOf, modelOf, schemeOf, windowsOf, wordOf } = await import("./model_options.ts");
    const { assess } = await import("../eval/metrics/assess.ts");
    const { writeScheme } = await import("../quant/notation/scheme.ts");
    const { out } = call, scheme = await schemeOf(call);
    using model = await modelOf(call, wordOf(call, "MODEL"));
    const windows = await windowsOf(call, model), text = writeScheme(scheme);
    const start = performance.now();
    const { float, quantized } = await assess(model, scheme, {
      windows,
      ...text !== "float" && { calibration: await calibrationOf(call, model) },
      onProgress: (_, share) => share && out.progress("quantizing", share),
      onWindow: (share) => out.progress("measuring", share),
    });
    const seconds = (performance.now() - start) / 1000;
    const file = call.text("receipt");
    if (file !== undefined) await writeReceipt(call, model, scheme, file);
    const measured = {
      model: model.name,
      text: { description: windows.description, sha256: windows.sha256 },
      scheme: text,
      float,
      quantized,
      device: model.device.description,
      seconds,
    };
    out.result(measured, () => [
      `${out.bold(model.name)} on ${windows.description}`,
      `perplexity       ${valueText(float)}`,
      ...quantized === null ? [] : [
        `${out.bold(text)}`,
        `perplexity       ${valueText(quantized.perplexity)}`,
        ...quantized.difference === null ? [] : [
          `difference       ${signed(quantized.difference.value)} ± ${
            quantized.difference.standardError.toPrecision(2)
          } nats per token, p = ${quantized.difference.pValue.toPrecision(2)}`,
        ],
        `divergence       ${quantized.divergence.value.toPrecision(4)} ± ${
          quantized.divergence.standardError.toPrecision(2)
        } nats per token, same first choice ${(100 * quantized.divergence.top1Agreement).toFixed(1)}%`,
        `bits per weight  ${quantized.storage.bitsPerWeight.toFixed(3)} in linear layers, ${
          quantized.wholeStorage.bitsPerWeight.toFixed(3)
        } in the whole model`,
      ],
    ]);
    return 0;
  },
};

/** Writes the receipt of a measurement: against the model as it is, where there is a scheme. */
async function writeReceipt(call: Call, model: Model, scheme: Scheme, file: string): Promise<void> {
  const { calibrationText, measuredText } = await import("./model_options.ts");
  const { makeReceipt } = await import("../eval/receipt.ts");
  const { writeAtomic } = await import("../base/file.ts");
  const { writeNumbers } = await import("../base/json.ts");
  const plain = Object.keys(scheme).length === 0;
  const receipt = await makeReceipt({
    model: model.name,
    text: measuredText(call, model),
    ...!plain && { scheme, calibration: calibrationText(call, model), reference: { model: model.name } },
  });
  await writeAtomic(file, [new TextEncoder().encode(`${writeNumbers(receipt)}\n`)]);
}

function valueText({ value, standardError, tokens }: Perplexity): string {
  const error = Number.isNaN(standardError) ? "?" : standardError.toFixed(4);
  return `${value.toFixed(4)} ± ${error} (standard error, ${tokens} tokens)`;
}

function signed(value: number): string {
  return `${value < 0 ? "" : "+"}${value.toPrecision(4)}`;
}
