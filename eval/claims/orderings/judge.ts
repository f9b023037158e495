/** Whether the order that a table prints between two rows is the order here: paired tests, one false discovery rate over all tables. */
import { adjustPValues, pairedTest, signTest } from "../../statistics.ts";
import type { Claim, ClaimTable } from "../files.ts";
import { answersName, type Outcome } from "./outcomes.ts";
import { type Question, questionOf } from "./questions.ts";

/** What the models here say to one published number, beside the others of its column. */
export interface Judgement {
  /** Its id. */
  readonly claim: string;
  /** The table that it stands in. */
  readonly table: string;
  /**
   * - `held`: in every comparison that shows a difference, the difference is as printed, and one does.
   * - `notHeld`: in one or more it is the other way round.
   * - `undecided`: no comparison shows a difference.
   * - `missing`: there is nothing to compare it with; `missing` says what it would take.
   */
  readonly verdict: "held" | "notHeld" | "undecided" | "missing";
  /** Other rows of its column that differ here as printed. */
  readonly held: number;
  /** Those that differ here the other way round, on one model or more. */
  readonly reversed: number;
  /** Those that show no difference. */
  readonly open: number;
  /** What is missing. */
  readonly missing?: string;
}

/** Two rows of one column that print different values, and what the models here say to their order. */
export interface Comparison {
  /** The table that they stand in. */
  readonly table: string;
  /** Id of the claim that is printed as the better one. */
  readonly better: string;
  /** Id of the other. */
  readonly worse: string;
  /** As in {@linkcode Judgement}. */
  readonly verdict: "held" | "reversed" | "open";
  /** The tests, one a model. */
  readonly tests: readonly ComparisonTest[];
}

/** One order on one model. */
export interface ComparisonTest {
  /** The model that ran both. */
  readonly model: string;
  /** How much better the row is that is printed as the better one: nats per token, or a share of questions. */
  readonly value: number;
  /** Adjusted over all tests of all tables. */
  readonly pValue: number;
}

/** A test of two schemes on one model. */
interface Test {
  readonly model: string;
  /** How much better the scheme with the lesser key is. */
  readonly value: number;
  readonly pValue: number;
}

/** A comparison before p-values are adjusted: names of tests, `+` where the scheme with the lesser key is printed as the better one. */
interface Pair extends Pick<Comparison, "table" | "better" | "worse"> {
  readonly names: readonly string[];
}

/**
 * Judges all numbers of tables. Two rows of one column (one model and data set) that print different values are a comparison, if both can run
 * here; each is tested on each model that ran both, losses by Student's test of paired windows, answers by the sign test of the questions that
 * one answers and the other does not. P-values are adjusted over all distinct tests of all tables (Benjamini and Hochberg).
 *
 * @param level share of false discoveries
 */
export function judgeOrderings(
  tables: readonly ClaimTable[],
  outcomes: readonly Outcome[],
  level = 0.05,
): { judgements: Judgement[]; comparisons: Comparison[] } {
  const byScheme = Map.groupBy(outcomes, ({ scheme }) => scheme);
  const tests = new Map<string, Test>(), pairs: Pair[] = [], missing = new Map<string, string>();
  for (const { id: table, columns, claims } of tables) {
    const higher = new Map(columns.map(({ key, higherIsBetter }) => [key, higherIsBetter]));
    for (
      const column of Map.groupBy(claims, ({ model, dataset, key }) => JSON.stringify([model, dataset, key]))
        .values()
    ) {
      const asked: { claim: Claim; question: Question }[] = [];
      for (const claim of column) {
        const question = questionOf(claim);
        if ("missing" in question) missing.set(claim.id, question.missing);
        else {
          asked.push({ claim, question });
          const own = byScheme.get(question.key) ?? [];
          const [refusal] = own.flatMap(({ refused }) => refused ?? []);
          if (refusal !== undefined && own.every(({ refused }) => refused !== undefined)) {
            missing.set(claim.id, `a model that runs its scheme (${refusal})`);
          }
        }
      }
      for (const [i, a] of asked.entries()) {
        for (const b of asked.slice(0, i)) {
          if (a.claim.value === b.claim.value || a.question.key === b.question.key) continue;
          const up = higher.get(a.claim.key) ?? a.claim.metric !== "perplexity";
          const [better, worse] = (a.claim.value > b.claim.value) === up ? [a, b] : [b, a];
          const names = testsOf(better.question, worse.question, byScheme, tests);
          if (names.length > 0) pairs.push({ table, better: better.claim.id, worse: worse.claim.id, names });
        }
      }
    }
  }
  const adjusted = adjustPValues([...tests.values()].map(({ pValue }) => pValue));
  const adjustedOf = new Map([...tests.keys()].map((name, i) => [name, adjusted[i]]));
  const comparisons = pairs.map(({ names, ...about }): Comparison => {
    const own = names.flatMap((name): ComparisonTest[] => {
      const test = tests.get(name.slice(1)), pValue = adjustedOf.get(name.slice(1));
      if (test === undefined || pValue === undefined) return [];
      return [{ model: test.model, value: name.startsWith("+") ? test.value : -test.value, pValue }];
    });
    const shown = own.filter(({ pValue }) => pValue <= level);
    const verdict = shown.some(({ value }) => value < 0) ? "reversed" : shown.length > 0 ? "held" : "open";
    return { ...about, verdict, tests: own };
  });
  return { judgements: judgementsOf(tables, comparisons, missing), comparisons };
}

/** Names of the tests of two schemes, one a model; each is made once, whichever way round it is asked. `+` asks for the better first. */
function testsOf(
  better: Question,
  worse: Question,
  byScheme: ReadonlyMap<string, readonly Outcome[]>,
  tests: Map<string, Test>,
): string[] {
  const forward = better.key < worse.key, [first, second] = forward ? [better, worse] : [worse, better];
  const what = first.answers?.map(([task, metric]) => answersName(task, metric));
  return (byScheme.get(first.key) ?? []).flatMap((a) => {
    const b = (byScheme.get(second.key) ?? []).find(({ model }) => model === a.model);
    if (b === undefined) return [];
    const name = JSON.stringify([a.model, first.key, second.key, what ?? "loss"]);
    const test = tests.get(name) ?? (what === undefined ? lossTest(a, b) : answerTest(a, b, what));
    if (test === null) return [];
    tests.set(name, test);
    return [`${forward ? "+" : "-"}${name}`];
  });
}

function lossTest(a: Outcome, b: Outcome): Test | null {
  if (a.losses === undefined || b.losses === undefined) return null;
  const { value, pValue } = pairedTest(a.losses, b.losses);
  return { model: a.model, value: -value, pValue };
}

function answerTest(first: Outcome, second: Outcome, names: readonly string[]): Test | null {
  const { answers: a } = first, { answers: b } = second;
  if (a === undefined || b === undefined || names.some((name) => !(name in a) || !(name in b))) return null;
  let gained = 0, lost = 0, questions = 0;
  for (const name of names) {
    questions += a[name].length;
    for (let i = 0; i < a[name].length; i++) {
      if (a[name][i] > b[name][i]) gained++;
      if (a[name][i] < b[name][i]) lost++;
    }
  }
  return { model: first.model, value: (gained - lost) / questions, pValue: signTest(gained, lost) };
}

function judgementsOf(
  tables: readonly ClaimTable[],
  comparisons: readonly Comparison[],
  missing: ReadonlyMap<string, string>,
): Judgement[] {
  const counts = new Map<string, Record<Comparison["verdict"], number>>();
  for (const { better, worse, verdict } of comparisons) {
    for (const id of [better, worse]) {
      const own = counts.get(id) ?? { held: 0, reversed: 0, open: 0 };
      own[verdict]++;
      counts.set(id, own);
    }
  }
  return tables.flatMap(({ id: table, claims }) =>
    claims.map(({ id }): Judgement => {
      const own = counts.get(id);
      if (own === undefined) {
        const what = missing.get(id) ?? "a second row of its column that prints another value and runs here";
        return { claim: id, table, verdict: "missing", held: 0, reversed: 0, open: 0, missing: what };
      }
      return {
        claim: id,
        table,
        verdict: own.reversed > 0 ? "notHeld" : own.held > 0 ? "held" : "undecided",
        ...own,
      };
    })
  );
}
