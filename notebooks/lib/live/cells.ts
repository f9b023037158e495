/** Which cells the pages of the report measure in their reader's browser: per notebook a few controls, and every choice of their values. */
import { fixture } from "../../../base/fixture.ts";
import { readText } from "../../../base/file.ts";
import type { PageRun } from "../../../browser.ts";
import {
  awq,
  bcq,
  gptq,
  kivi,
  kvquant,
  llmInt8,
  qqq,
  qrazor,
  quarot,
  rtn,
  type Scheme,
  smoothQuant,
  spqr,
  zeroQuant,
} from "../../../mod.ts";

/** A control: its name, what the page calls it, and its values, the first of which the page begins with. */
export interface Control {
  readonly name: string;
  readonly label: string;
  readonly values: readonly (number | string)[];
}

/** One value of every control, in their order. */
export type Choice = readonly (number | string)[];

/** The cells of a notebook's page. */
export interface LiveTable {
  /** File name of the notebook, without its ending. */
  readonly notebook: string;
  /** Whose equation the cells follow: an entry of the methods page. */
  readonly method: string;
  readonly model: "fixture:llama" | "fixture:llama-outlier";
  readonly controls: readonly Control[];
  readonly scheme: (...choice: (number | string)[]) => Scheme;
}

const bits = (...values: number[]): Control => ({ name: "bits", label: "Bits", values });
const group = (...values: number[]): Control => ({ name: "groupSize", label: "Group size", values });
const whole = (size: number | string) => size === "row" ? {} : { groupSize: Number(size) };

/** In the order of the index. */
export const liveTables: readonly LiveTable[] = [
  {
    notebook: "rtn",
    method: "rtn",
    model: "fixture:llama",
    controls: [bits(4, 3, 2, 8), { name: "groupSize", label: "Group size", values: ["row", 128, 32] }],
    scheme: (b, g) => ({ weights: rtn({ bits: Number(b), ...whole(g) }) }),
  },
  {
    notebook: "smoothquant",
    method: "smoothquant",
    model: "fixture:llama-outlier",
    controls: [{ name: "alpha", label: "α", values: [0.5, 0, 0.25, 0.75, 1] }],
    scheme: (alpha) => ({
      transforms: [smoothQuant({ alpha: Number(alpha) })],
      weights: rtn({ bits: 8, symmetric: true }),
      activations: rtn({ bits: 8, granularity: "token", symmetric: true }),
    }),
  },
  {
    notebook: "gptq",
    method: "gptq",
    model: "fixture:llama",
    controls: [bits(4, 3, 2), group(64, 32)],
    scheme: (b, g) => ({ weights: gptq({ bits: Number(b), groupSize: Number(g) }) }),
  },
  {
    notebook: "llmint8",
    method: "llmint8",
    model: "fixture:llama-outlier",
    controls: [{ name: "threshold", label: "Threshold", values: [6, 3, 12, 1000] }],
    scheme: (threshold) => ({ linears: llmInt8({ threshold: Number(threshold) }) }),
  },
  {
    notebook: "zeroquant",
    method: "zeroquant",
    model: "fixture:llama",
    controls: [bits(8, 4), { name: "groups", label: "Groups", values: [64, 1, 16] }],
    scheme: (b, groups) => ({
      weights: zeroQuant({ bits: Number(b), groups: Number(groups) }),
      activations: zeroQuant({ bits: 8 }),
    }),
  },
  {
    notebook: "spqr",
    method: "spqr",
    model: "fixture:llama",
    controls: [bits(3, 2, 4), { name: "outlierThreshold", label: "τ", values: [0.25, 0.1] }],
    scheme: (b, outlierThreshold) => ({
      weights: spqr({ bits: Number(b), groupSize: 16, outlierThreshold: Number(outlierThreshold) }),
    }),
  },
  {
    notebook: "lutgemm",
    method: "lutgemm",
    model: "fixture:llama",
    controls: [bits(3, 2), group(64, 128)],
    scheme: (b, g) => ({ weights: bcq({ bits: Number(b), groupSize: Number(g), rounds: 5 }) }),
  },
  {
    notebook: "kivi",
    method: "kivi",
    model: "fixture:llama",
    controls: [bits(2, 4, 1), { name: "residualLength", label: "Residual length", values: [128, 32] }],
    scheme: (b, residualLength) => ({
      kv: kivi({ bits: Number(b), residualLength: Number(residualLength) }),
    }),
  },
  {
    notebook: "kvquant",
    method: "kvquant",
    model: "fixture:llama",
    controls: [bits(3, 2, 4)],
    scheme: (b) => ({ kv: kvquant({ bits: Number(b), weighting: "none" }) }),
  },
  {
    notebook: "qrazor",
    method: "qrazor",
    model: "fixture:llama",
    controls: [bits(4, 6, 8), group(16, 32)],
    scheme: (b, g) => ({ weights: qrazor({ bits: Number(b), groupSize: Number(g) }) }),
  },
  {
    notebook: "qqq",
    method: "qqq",
    model: "fixture:llama",
    controls: [{ name: "smoothing", label: "Smoothing", values: ["off", "on"] }],
    scheme: (smoothing) => ({
      weights: qqq({ smoothing: smoothing === "on", searchWindows: 1 }),
      activations: rtn({ bits: 8, granularity: "token", symmetric: true }),
    }),
  },
  {
    notebook: "rotation",
    method: "quarot",
    model: "fixture:llama-outlier",
    controls: [bits(4, 8), { name: "rotation", label: "Rotation", values: ["QuaRot", "none"] }],
    scheme: (b, rotation) => ({
      ...rotation === "QuaRot" && { transforms: [quarot()] },
      weights: rtn({ bits: Number(b), symmetric: true }),
      activations: rtn({ bits: Number(b), granularity: "token", symmetric: true }),
    }),
  },
  {
    notebook: "awq",
    method: "awq",
    model: "fixture:llama",
    controls: [bits(3, 4), { name: "clipping", label: "Clipping", values: ["off", "on"] }],
    scheme: (b, clipping) => ({
      weights: awq({
        bits: Number(b),
        groupSize: 64,
        clipping: clipping === "on",
        ratios: 5,
        searchWindows: 1,
      }),
    }),
  },
];

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
