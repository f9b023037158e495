/** `quantbook compare`: models and schemes against a reference, on the same windows. */
import { calibrationOptions, modelOptions, textOptions } from "./shared_options.ts";
import type { CandidateSummary } from "../eval/compare/summary.ts";
import type { Comparison } from "../eval/compare.ts";
import { columns } from "./output.ts";
import type { Verb } from "./verb.ts";

/** The verb. */
export const verb: Verb = {
  about:
    "Compares models with a reference on the same windows: divergence, agreement and perplexity with intervals, what of it is " +
    "arithmetic only, and paired tests of every two. A candidate is a model, or a scheme (weights=rtn:4) that is applied to the reference. " +
    "Windows that are stored cost nothing.",
  words: [
    { name: "REFERENCE", about: "the model that the others are compared with" },
    { name: "CANDIDATE...", about: "models, or schemes of the reference" },
  ],
  options: [
    {
      flags: "--results STORE",
      about: "where windows are stored",
      fallback: "QUANTBOOK_CACHE, or .quantbook/results",
    },
    { flags: "--no-noise", about: "leave out the reference against itself, computed otherwise" },
    ...textOptions,
    ...calibrationOptions,
    ...modelOptions.slice(0, 1),
  ],
  examples: [
    "quantbook compare fixture:llama weights=rtn:8 weights=rtn:4:g32 --windows 4 --length 64 --results rows",
    "quantbook compare fixture:llama weights=rtn:4:g32 --windows 4 --length 64 --results rows --no-noise --json",
  ],
  async run(call) {
    const { compare } = await import("../eval/compare.ts");
    const { loadModel } = await import("../quant/published/load.ts");
    const { readScheme, writeScheme } = await import("../quant/notation/scheme.ts");
    const { exists } = await import("../base/file.ts");
    const { calibrationOf, windowsOf } = await import("./model_options.ts");
    const [reference, ...words] = call.words;
    const candidates = await Promise.all(words.map(async (word) => {
      if (!/^[\w.@]+[=(]|^\{/.test(word) || await exists(word)) return word;
      const scheme = readScheme(word);
      return { model: reference, scheme, label: writeScheme(scheme) };
    }));
    using model = await loadModel(reference);
    const windows = await windowsOf(call, model), results = call.text("results");
    const found = await compare(reference, candidates, {
      windows,
      calibration: await calibrationOf(call, model),
      noise: call.flag("noise"),
      ...results !== undefined && { results },
      onWindow: (done, total) => call.out.progress("comparing", { done, total }),
    });
    for (const notice of found.notices) call.out.note(notice);
    call.out.result(found, () => [`${call.out.bold(reference)} on ${windows.description}`, ...lines(found)]);
    return 0;
  },
};

function lines({ candidates, noise, differences, level, text }: Comparison): string[] {
  const row = (label: string, bits: string, { divergence, top1, perplexityRatio }: CandidateSummary) => [
    label,
    bits,
    interval(divergence.mean),
    divergence.p99.value.toPrecision(3),
    interval(top1),
    interval(perplexityRatio),
  ];
  const tests = differences.map((
    { a, b, measure, value, interval: [least, most], adjustedPValue, detectable },
  ) => [
    `${a} - ${b}`,
    measure,
    `${number(value)} [${number(least)}, ${number(most)}]`,
    adjustedPValue.toPrecision(2),
    number(detectable),
  ]);
  return [
    `${
      100 * level
    }% intervals, ${text.clusters.count} ${text.clusters.kind} of ${text.tokens} tokens counted as independent`,
    "",
    ...columns([
      ["", "bits", "divergence (nats)", "p99", "same first choice", "perplexity ratio"],
      ...candidates.map((one) => row(one.label, one.bitsPerWeight.toFixed(2), one)),
      ...Object.entries(noise).map(([kind, one]) => row(`(reference, other ${kind})`, "", one)),
    ]),
    "",
    ...columns([["difference", "of", "nats per token", "adjusted p", "detectable"], ...tests]),
  ];
}

function interval(
  { value, interval: [least, most] }: {
    readonly value: number;
    readonly interval: readonly [number, number];
  },
): string {
  return `${number(value)} [${number(least)}, ${number(most)}]`;
}

function number(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : String(value);
}
