/** `quantbook reproduce`: a published number, measured on a model. */
import { modelOptions } from "./shared_options.ts";
import type { Verb } from "./verb.ts";

const claim = "'gptq_opt_ppl/OPT-125M/RTN/bits=4/wikitext2:opt-125M'";

/** The verb. */
export const verb: Verb = {
  about:
    "Measures a published number on a model. The report lists the numbers with their ids; those of averages and of other " +
    "schemes than this project's cannot be measured.",
  words: [{ name: "CLAIM", about: "id of a published number" }],
  options: [
    { flags: "--model MODEL", about: "the model that it is measured on" },
    {
      flags: "--data DIR",
      about: "folder with wikitext2.txt, c4.txt and the test sets of tasks",
      fallback: "the suite's own texts and questions",
    },
    { flags: "--limit N", about: "windows of text, or examples of each task", fallback: "all" },
    {
      flags: "--calibration FILE",
      about: "text to calibrate on: 128 windows of it",
      fallback: "16 windows of the suite's",
    },
    ...modelOptions,
  ],
  examples: [
    `quantbook reproduce ${claim} --model fixture:opt --limit 2`,
    `quantbook reproduce ${claim} --model fixture:opt --limit 1 --json`,
  ],
  async run(call) {
    const { claimOf, loadClaims, reproduceClaim, schemeOfClaim } = await import("../eval/claims.ts");
    const { corpus } = await import("../eval/corpus.ts");
    const { modelOf, wordOf } = await import("./model_options.ts");
    const { writeScheme } = await import("../quant/notation/scheme.ts");
    const { UsageError } = await import("./command_line.ts");
    const claim = claimOf(wordOf(call, "CLAIM"), await loadClaims()), limit = call.count("limit");
    if (schemeOfClaim(claim) === null) {
      throw new UsageError(`${claim.id}: no scheme of this project stands for it`);
    }
    using model = await modelOf(call, call.required("model", "DIRECTORY"));
    const { tokenizer, architecture: { maxPositions } } = model, text = call.text("calibration");
    const calibration = text === undefined
      ? await corpus("calibration", { windows: 16, length: Math.min(512, maxPositions), seed: 0, tokenizer })
      : await corpus(text, { windows: 128, length: Math.min(2048, maxPositions), seed: 0, tokenizer });
    const found = await reproduceClaim(claim, model, {
      calibration,
      data: call.text("data"),
      limit,
      onProgress: (_, share) => share && call.out.progress("quantizing", share),
    });
    const { claimed, measured, standardError } = found, scheme = writeScheme(found.scheme);
    call.out.result({ claim: claim.id, model: model.name, ...found, scheme }, () => [
      claim.id,
      `claimed  ${claimed}`,
      `measured ${measured.toFixed(4)} ± ${standardError.toFixed(4)} on ${model.name}, ${scheme}`,
    ]);
    return 0;
  },
};
