/** `quantbook fit`: the mixture of candidates that fits a budget, and whether it is better than uniform bits. */
import { bytes, columns } from "./output.ts";
import { calibrationOptions, modelOptions, modelWord, textOptions } from "./shared_options.ts";
import type { Advice } from "../eval/advisor/advise.ts";
import type { Entrant } from "../eval/advisor/run.ts";
import type { Budget } from "../eval/advisor/budget.ts";
import { UsageError } from "./command_line.ts";
import type { Call, Verb } from "./verb.ts";

/** The verb. */
export const verb: Verb = {
  about:
    "Finds the best mixture of candidates for the weights of a model within a budget: each linear layer is scored with each candidate, " +
    "an exact allocation of each score gives a mixture, and the best one is held against the best uniform candidate within the budget on " +
    "text that no score has seen. Where it is not shown to be better, the scheme is the uniform one. With --divergence it is the smallest one within the bound. The scheme goes to quantize --scheme.",
  words: [modelWord],
  options: [
    {
      flags: "--budget SIZE",
      about: "what the whole model may take, as sizes counts it: 900MB",
    },
    {
      flags: "--bits NUMBER",
      about: "or: bits per weight of what is rounded, scales and zero points included: 4.2",
    },
    {
      flags: "--divergence NATS",
      about: "or: the largest divergence from the float model, per token: the smallest scheme within 0.05",
    },
    {
      flags: "--candidates LIST",
      about: "methods for the weights of linear layers, and float, between blanks",
      fallback: "'gptq:3:g64 gptq:4:g64 gptq:6:g64 gptq:8:g64'",
    },
    {
      flags: "--ends LIST",
      about: "methods for output projection and embedding, which otherwise stay float",
    },
    {
      flags: "--scores LIST",
      about:
        "what parts are scored by, between commas: noise, hessian, fisher, divergence (a pass for each part), shapley",
      fallback: "all that the model has",
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
    "quantbook fit fixture:llama --bits 3.8 --candidates 'rtn:3:g64 rtn:4:g64' --calibration-windows 1 --calibration-length 32 --windows 8 --length 64",
    "quantbook fit fixture:llama --budget 2MB --candidates 'rtn:2:g64 rtn:4:g64' --calibration-windows 1 --calibration-length 32 --windows 4 --length 64 --json",
  ],
  async run(call) {
    const { calibrationOf, modelOf, windowsOf, wordOf } = await import("./model_options.ts");
    const { advise } = await import("../eval/advisor/advise.ts");
    const { readCandidates } = await import("../eval/advisor/candidates.ts");
    const { scoreNames } = await import("../eval/advisor/scores/sensitivity.ts");
    const budget = budgetOf(call);
    const candidates = readCandidates(
      call.text("candidates") ?? "gptq:3:g64 gptq:4:g64 gptq:6:g64 gptq:8:g64",
    );
    const ends = call.text("ends"), wanted = call.text("scores")?.split(",").map((one) => one.trim());
    const scores = wanted?.map((name) => {
      const found = scoreNames.find((one) => one === name);
      if (found !== undefined) return found;
      throw new UsageError(`--scores has ${JSON.stringify(name)}: expected some of ${scoreNames.join(", ")}`);
    });
    const scored = call.count("scoring-windows") ?? 4;
    using model = await modelOf(call, wordOf(call, "MODEL"));
    const calibration = await calibrationOf(call, model), proof = await windowsOf(call, model);
    const advice = await advise(model, {
      budget,
      candidates,
      ...ends !== undefined && { ends: readCandidates(ends).filter((one) => one !== "float") },
      ...scores && { scores },
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
      ...advice.withoutGradients === null ? [] : [`neither fisher nor shapley: ${advice.withoutGradients}`],
    ]);
    return 0;
  },
};

/** The one of the three that was given. */
function budgetOf(call: Call): Budget | string {
  const given = (["budget", "bits", "divergence"] as const).filter((name) => call.text(name) !== undefined);
  if (given.length === 0) {
    throw new UsageError("a budget is missing: expected --budget 900MB, --bits 4.2 or --divergence 0.05");
  }
  if (given.length > 1) {
    const all = given.map((name) => `--${name}`).join(" and ");
    throw new UsageError(`${all} are given: expected one of --budget, --bits and --divergence`);
  }
  const [name] = given, text = call.text(name) ?? "";
  if (name === "budget") return text;
  const value = Number(text);
  if (!(/^\d+(\.\d+)?$/.test(text) && value > 0)) {
    const such = name === "bits" ? "4.2" : "0.05";
    throw new UsageError(`--${name} is ${JSON.stringify(text)}: expected a number above 0, such as ${such}`);
  }
  return name === "bits" ? { bitsPerWeight: value } : { divergence: value };
}

function lines({ bytes: count, bitsPerWeight, budget, uniform, mixtures, proof, hash }: Advice): string[] {
  const row = (label: string, { bitsPerWeight, bytes: count, seenDivergence, text }: Entrant) => [
    label,
    bitsPerWeight.toFixed(3),
    bytes(count),
    seenDivergence.toPrecision(3),
    text,
  ];
  const unseen = (name: string, { divergence, interval, perplexity }: typeof proof.mixture) => [
    name,
    `${divergence.toPrecision(3)} [${interval.map((one) => one.toPrecision(3)).join(", ")}]`,
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
    } bits per weight rounded, recipe ${hash.slice(0, 16)}`,
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
