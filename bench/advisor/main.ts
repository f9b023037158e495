/**
 * Mixtures of the advisor against uniform bits at exactly equal total bytes: `deno run -A bench/advisor/main.ts [MODEL...]`, five budgets for
 * each model (default: the two fixtures, and SmolLM2 where it lies beside the checkout). Each budget is what a uniform scheme takes, to the
 * byte. Results go to bench/results/advisor.json, whose other models stay; the table is of all of them, with p values adjusted together
 * (Benjamini and Hochberg, 5 %). The exit code is 1 where a mixture is worse than uniform.
 */
import { pathOf, writeAtomic } from "../../base/file.ts";
import { cpuDevice } from "../../kernels/cpu/device.ts";
import type { Model } from "../../model/model.ts";
import { writeScheme } from "../../quant/notation/scheme.ts";
import { loadModel } from "../../quant/published/load.ts";
import { quantize } from "../../quant/quantize.ts";
import { sizes } from "../../quant/weights/sizes.ts";
import { Advisor } from "../../eval/advisor/advise.ts";
import { readCandidates } from "../../eval/advisor/candidates.ts";
import type { ScoreName } from "../../eval/advisor/scores/sensitivity.ts";
import { corpus } from "../../eval/corpus.ts";
import { adjustPValues } from "../../eval/statistics.ts";
import { peakBytes } from "../memory.ts";

/** What a model is given. */
interface Setting {
  readonly source: string;
  readonly candidates: string;
  /** Uniform schemes whose bytes are the budgets. */
  readonly budgets: string;
  readonly scores?: readonly ScoreName[];
  /** Windows and their length: of calibration (of which the first four are scored) and of the proof. */
  readonly calibration: readonly [windows: number, length: number];
  readonly proof: readonly [windows: number, length: number];
}

const smollm2 = pathOf(
  new URL("../../../shared/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", import.meta.url),
);
const small: Omit<Setting, "source"> = {
  candidates: [2, 3, 4, 5, 6, 8].map((bits) => `rtn:${bits}:g64`).join(" ") +
    " rtn:2:g128 rtn:3:g32 rtn:4:g32 float",
  budgets: "rtn:2:g64 rtn:3:g64 rtn:4:g64 rtn:5:g64 rtn:6:g64",
  calibration: [4, 64],
  proof: [32, 64],
};
const settings: Readonly<Record<string, Setting>> = {
  "fixture:llama-outlier": { source: "fixture:llama-outlier", ...small },
  "fixture:opt": { source: "fixture:opt", ...small },
  // Its file has 5 bits a weight (Q4_1), which "float" leaves. Fisher's score alone, one pass forth and back: of 210 parts the
  // divergence would take a pass each, and Shapley's price four for each candidate.
  smollm2: {
    source: smollm2,
    candidates: "rtn:2:g192 rtn:2:g64 rtn:2:g32 rtn:3:g64 rtn:3:g32 rtn:4:g64 float",
    budgets: "rtn:2:g64 rtn:2:g32 rtn:3:g64 rtn:3:g32 rtn:4:g64",
    scores: ["fisher"],
    calibration: [2, 64],
    proof: [16, 32],
  },
};

/** One budget. */
interface Outcome {
  readonly budget: string;
  readonly bytes: number;
  readonly uniform: string;
  readonly uniformBytes: number;
  readonly mixtureBytes: number;
  readonly score: ScoreName;
  readonly divergence: { readonly mixture: number; readonly uniform: number };
  /** Mixture - uniform, in nats per token. */
  readonly difference: number;
  readonly interval: readonly [number, number];
  readonly pValue: number;
  readonly perplexity: { readonly mixture: number; readonly uniform: number; readonly pValue: number };
  /** Mean divergence of each score's mixture on the scored text, and of the uniform scheme. */
  readonly seen: Readonly<Partial<Record<ScoreName | "uniform", number>>>;
  readonly advice: "mixture" | "uniform";
  readonly scheme: string;
  readonly hash: string;
}

/** All budgets of one model. */
interface Measured extends Omit<Setting, "source"> {
  readonly seconds: number;
  readonly peakBytes: number;
  readonly outcomes: readonly Outcome[];
}

async function measured(name: string, setting: Setting): Promise<Measured> {
  const start = performance.now(), { source, calibration: [count, length], proof, ...said } = setting;
  using device = await cpuDevice();
  using model = await loadModel(source, { device });
  const { tokenizer } = model, [windows, unseen] = proof;
  const calibration = await corpus("calibration", { windows: count, length, seed: 0, tokenizer });
  const advisor = await Advisor.of(model, {
    candidates: readCandidates(setting.candidates),
    ...setting.scores && { scores: setting.scores },
    calibration,
    proof: await corpus("sotu", { windows, length: unseen, tokenizer }),
    onProgress: (task, done, total) => console.error(`${name}: ${task} ${done}/${total}`),
  });
  const outcomes: Outcome[] = [];
  for (const weights of readCandidates(setting.budgets)) {
    const budget = writeScheme(weights === "float" ? {} : { weights });
    const bytes = await bytesOf(model, weights);
    const { mixture, uniform, proof, mixtures, better, hash } = await advisor.advise({ bytes });
    const { divergence: { value, interval, pValue }, perplexity } = proof;
    outcomes.push({
      budget,
      bytes,
      uniform: uniform.text,
      uniformBytes: uniform.bytes,
      mixtureBytes: mixture.bytes,
      score: mixture.score,
      divergence: { mixture: proof.mixture.divergence, uniform: proof.uniform.divergence },
      difference: value,
      interval: [interval[0], interval[1]],
      pValue,
      perplexity: {
        mixture: proof.mixture.perplexity,
        uniform: proof.uniform.perplexity,
        pValue: perplexity.pValue,
      },
      seen: {
        uniform: uniform.seenDivergence,
        ...Object.fromEntries(mixtures.map(({ score, seenDivergence }) => [score, seenDivergence])),
      },
      advice: better ? "mixture" : "uniform",
      scheme: mixture.text,
      hash,
    });
    console.error(`${name}: ${budget} done`);
  }
  const seconds = (performance.now() - start) / 1000;
  return { ...said, calibration: [count, length], proof, seconds, peakBytes: await peakBytes(), outcomes };
}

async function bytesOf(model: Model, weights: ReturnType<typeof readCandidates>[number]): Promise<number> {
  using quantized = await quantize(model, weights === "float" ? {} : { weights });
  return sizes(quantized).model.bytes;
}

/** Prints what is recorded, and says whether a mixture is worse. */
function report(all: Readonly<Record<string, Measured>>): boolean {
  const rows = Object.entries(all).flatMap(([model, { outcomes }]) =>
    outcomes.map((one) => ({ model, ...one }))
  );
  const adjusted = adjustPValues(rows.map(({ pValue }) => pValue));
  const short = (x: number) => String(Number(x.toPrecision(3)));
  let better = 0, worse = 0;
  console.log("model | budget | uniform | mixture by | divergence mixture / uniform | ratio | p | q |");
  for (const [i, one] of rows.entries()) {
    const { mixture, uniform } = one.divergence, shown = adjusted[i] < 0.05;
    if (shown && one.difference < 0) better++;
    if (shown && one.difference > 0) worse++;
    const verdict = !shown ? "not shown" : one.difference < 0 ? "better" : "WORSE";
    console.log(
      [
        one.model,
        one.budget,
        one.uniform === one.budget && one.uniformBytes === one.bytes ? "same" : one.uniform,
        one.score,
        `${short(mixture)} / ${short(uniform)}`,
        short(mixture / uniform),
        one.pValue.toPrecision(2),
        adjusted[i].toPrecision(2),
        verdict,
      ].join(" | "),
    );
  }
  console.log(
    `${better} of ${rows.length} better (goal: 80 %), ${worse} worse (goal: none), 5 % false discovery rate`,
  );
  return worse > 0;
}

const file = pathOf(new URL("../results/advisor.json", import.meta.url));
const recorded = async (): Promise<Record<string, Measured>> => {
  const text = await Deno.readTextFile(file).catch(() => "{}");
  return JSON.parse(text);
};
const beside = await Deno.stat(smollm2).then(() => true, () => false);
const wanted = Deno.args.length > 0
  ? Deno.args
  : Object.keys(settings).filter((name) => name !== "smollm2" || beside);
if (!beside && Deno.args.length === 0) console.log(`smollm2 is left out: nothing is at ${smollm2}`);
for (const name of wanted) {
  const setting = settings[name];
  if (setting === undefined) {
    throw new RangeError(`no model "${name}": expected some of ${Object.keys(settings).join(", ")}`);
  }
  const one = await measured(name, setting);
  // Read again: another process may have written its models in the meantime.
  const text = `${JSON.stringify({ ...await recorded(), [name]: one }, null, 2)}\n`;
  await writeAtomic(file, [new TextEncoder().encode(text)]);
}
Deno.exit(report(await recorded()) ? 1 : 0);
