/**
 * Measures every scheme of the published tables on the models here and stores the outcomes: `deno task orderings [MODEL...]`. Goes on where
 * it ended; a row that is stored is measured again after it is taken out of the file.
 */
import { pathOf, writeAtomic } from "../base/file.ts";
import { describeScheme, type Scheme } from "../quant/scheme.ts";
import { loadClaims } from "../eval/claims.ts";
import {
  loadOutcomes,
  type Outcome,
  type Outcomes,
  outcomesFile,
  schemeKey,
} from "../eval/claims/orderings/outcomes.ts";
import { measureOutcome, type OrderingModel } from "../eval/claims/orderings/measure.ts";
import { wantedOf } from "../eval/claims/orderings/questions.ts";

const small = {
  windows: 24,
  length: 256,
  calibration: 16,
  questions: 60,
  unfit: (scheme: Scheme) =>
    longSearch.test(JSON.stringify(scheme)) ? "left out: it trains or searches for minutes a model" : null,
};

/** Training by epochs, learned rotations, and LLM-FP4's search of every format on every token: their own notebooks have them. */
const longSearch = /"epochs":|"method":"spinquant"|"method":"llmFp4"(?!.*"search":"none")/;

/** The models, and how much each is given. */
const models: readonly OrderingModel[] = [
  { model: "fixture:opt", ...small },
  { model: "fixture:llama-outlier", ...small },
  { model: "fixture:llama", ...small },
  {
    model: "SmolLM2-135M-Instruct",
    path: "../shared/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    windows: 12,
    length: 256,
    calibration: 8,
    questions: 0,
    unfit: (scheme) =>
      onFourBits(scheme)
        ? "the file's weights lie on a grid of 4 bits: rounding them to 4 to 7 bits says little"
        : null,
  },
];

/** Whether a scheme rounds weights to 4 to 7 bits. */
function onFourBits({ weights, linears }: Scheme): boolean {
  const { bits, mlpBits } = { ...weights, ...linears } as Readonly<Record<string, unknown>>;
  return [bits, mlpBits].some((one) => typeof one === "number" && one >= 4 && one < 8);
}

/** One row a line: a diff of the file shows which were measured. */
async function store(path: string, { texts, rows }: Outcomes): Promise<void> {
  const lines = rows.map((row) => `  ${JSON.stringify(row)}`).join(",\n");
  const text = `{"texts": ${JSON.stringify(texts)}, "rows": [\n${lines}\n]}\n`;
  await writeAtomic(path, [new TextEncoder().encode(text)]);
}

if (import.meta.main) {
  const path = pathOf(new URL(`../fixtures/${outcomesFile}`, import.meta.url));
  const wanted = wantedOf(await loadClaims());
  const rows: Outcome[] = [...await loadOutcomes().then((stored) => stored.rows, () => [])];
  const keys = wanted.map(({ scheme }) => schemeKey(scheme));
  /** What was scored, by model: of those that are through with all schemes. */
  const texts = () =>
    Object.fromEntries(models.flatMap(({ model, windows, length, questions }) => {
      const own = new Set(rows.filter((row) => row.model === model).map(({ scheme }) => scheme));
      if (!keys.every((key) => own.has(key))) return [];
      const asked = questions > 0 ? `; ${questions} questions of a task, or a third of that` : "";
      return [[model, `sotu test, ${windows} x ${length} tokens${asked}`]];
    }));
  for (const one of models) {
    if (Deno.args.length > 0 && !Deno.args.includes(one.model)) continue;
    for (const [i, { scheme, tasks }] of wanted.entries()) {
      const key = schemeKey(scheme);
      if (rows.some((row) => row.model === one.model && row.scheme === key)) continue;
      const start = performance.now();
      rows.push(await measureOutcome(scheme, tasks, one));
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.log(
        `${one.model} ${i + 1}/${wanted.length} ${describeScheme(scheme)}: ${seconds} s ${
          rows.at(-1)?.refused ?? ""
        }`,
      );
      await store(path, { texts: texts(), rows });
    }
  }
}
