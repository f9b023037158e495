/** `quantbook fit`: the mixture of candidates that fits a budget, and whether it is better than uniform bits. */
import { bytes, columns } from "./output.ts";
import { calibrationOptions, modelOptions, modelWord, textOptions } from "./shared_options.ts";
import type { Advice } from "../eval/advisor/advise.ts";
import type { Entrant } from "../eval/advisor/run.ts";
import type { Verb } from "./verb.ts";

/** The verb. */
export const verb: Verb = {
  about:
    "Finds the best mixture of candidates for the weights of a model within a budget: each linear layer is scored with each candidate, " +
    "an exact allocation of each score gives a mixture, and the best one is held against the best uniform candidate within the budget on " +
    "text that no score has seen. Where it is not shown to be better, the scheme is the uniform one. The scheme goes to quantize --scheme.",
  words: [modelWord],
  options: [
    {
      flags: "--budget SIZE",
      about:
        "what the model may take: 900MB (the whole of it, as sizes counts), 4.5bpw (bits per weight of linear layers)",
    },
    {
      flags: "--candidates LIST",
      about: "methods for weights, between blanks",
      fallback: "'gptq:3:g64 gptq:4:g64 gptq:6:g64 gptq:8:g64'",
    },
    {
      flags: "--scoring-windows N",
      about: "windows of the calibration text that single layers are tried on",
      fallback: "4",
    },
    ...textOptions,
    ...calibrationOptions,
    ...modelOptions,
  ],
  examples: [
    "quantbook fit fixture:llama --budget 3.8bpw --candidates 'rtn:3:g64 rtn:4:g64' --calibration-windows 1 --calibration-length 32 --windows 8 --length 64",
    "quantbook fit fixture:llama --budget 2MB --candidates 'rtn:2:g64 rtn:4:g64' --calibration-windows 1 --calibration-length 32 --windows 4 --length 64 --json",
  ],
  async run(call) {
    const { calibrationOf, modelOf, windowsOf, wordOf } = await import("./model_options.ts");
    const { advise } = await import("../eval/advisor/advise.ts");
    const { readCandidates } = await import("../eval/advisor/candidates.ts");
    const budget = call.required("budget", "4.5bpw");
    const candidates = readCandidates(
      call.text("candidates") ?? "gptq:3:g64 gptq:4:g64 gptq:6:g64 gptq:8:g64",
    );
    const scored = call.count("scoring-windows") ?? 4;
    using model = await modelOf(call, wordOf(call, "MODEL"));
    const calibration = await calibrationOf(call, model), proof = await windowsOf(call, model);
    const advice = await advise(model, {
      budget,
      candidates,
      calibration,
      scoring: calibration.slice(0, scored),
      proof,
      onProgress: (task, done, total) => call.out.progress(task, { done, total }),
    });
    call.out.result({ name: model.name, ...advice }, () => [
      call.out.bold(advice.text),
      ...lines(advice),
      "",
      `on ${proof.description}:`,
      advice.verdict,
    ]);
    return 0;
  },
};

function lines({ bytes: count, bitsPerWeight, budget, uniform, mixtures, proof, hash }: Advice): string[] {
  const row = (label: string, { bitsPerWeight, bytes: count, seenDivergence, text }: Entrant) => [
    label,
    bitsPerWeight.toFixed(3),
    bytes(count),
    seenDivergence.toPrecision(3),
    text,
  ];
  const unseen = (name: string, { divergence, perplexity }: typeof proof.mixture) => [
    name,
    divergence.toPrecision(3),
    perplexity.toFixed(4),
  ];
  const { divergence: d, perplexity: p } = proof;
  const test = ({ value, interval, t, pValue }: typeof d) =>
    `${value.toPrecision(3)} [${interval.map((one) => one.toPrecision(3)).join(", ")}], t = ${
      t.toPrecision(3)
    }, p = ${pValue.toPrecision(2)}`;
  return [
    `${bytes(count)} (${count} of ${budget} bytes), ${
      bitsPerWeight.toFixed(3)
    } bits per weight in linear layers, recipe ${hash.slice(0, 16)}`,
    "",
    ...columns([
      ["", "bits", "bytes", "divergence on scored text", "scheme"],
      row("uniform", uniform),
      ...mixtures.map((one) => row(`by ${one.score}`, one)),
    ]),
    "",
    ...columns([
      ["unseen text", "divergence", "perplexity"],
      unseen("mixture", proof.mixture),
      unseen("uniform", proof.uniform),
    ]),
    `mixture - uniform, nats per token of divergence: ${test(d)}`,
    `mixture - uniform, nats per token of perplexity: ${test(p)}`,
  ];
}
