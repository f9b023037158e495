/** The cells of the pages: every choice of a table's values, its name, and what it is given. */
import { fixture } from "../../../base/fixture.ts";
import { readText } from "../../../base/file.ts";
import type { PageRun } from "../../../browser.ts";
import type { Choice, LiveTable } from "./tables.ts";

/** All choices of a table, that of the first values first. */
export function choicesOf({ controls }: LiveTable): Choice[] {
  return controls.reduce<Choice[]>(
    (found, { values }) => found.flatMap((choice) => values.map((value) => [...choice, value])),
    [[]],
  );
}

/** The name of a cell in `fixtures/results/live.json` and in messages: `rtn bits=4 groupSize=32`. */
export function cellName({ notebook, controls }: LiveTable, choice: Choice): string {
  return [notebook, ...controls.map(({ name }, i) => `${name}=${choice[i]}`)].join(" ");
}

/** Windows that a page scores, and windows that it calibrates on. */
export const scored = { windows: 4, length: 256 }, calibrated = { windows: 4, length: 128 };

/** Characters of a text that a page loads, from its beginning: enough for the windows. */
const characters = 12_000;

/** The texts of the pages: the beginnings of the test and the training part of the suite's speeches. */
export async function liveTexts(): Promise<{ readonly test: string; readonly train: string }> {
  const read = async (part: string) =>
    (await readText(await fixture(`corpora/sotu.${part}.txt`))).slice(0, characters);
  return { test: await read("test"), train: await read("train") };
}

/** What `measureInPage` is given for a cell, but for the files. */
export function runOf(
  table: LiveTable,
  choice: Choice,
  texts: { readonly test: string; readonly train: string },
): PageRun {
  return {
    model: table.model,
    scheme: table.scheme(...choice),
    text: { text: texts.test, ...scored },
    calibration: { text: texts.train, ...calibrated },
  };
}
