/** How an exported model was made, as data that its files carry: in the model card, and in the metadata of the weights' file. */
import { isJsonObject, own, readNumbers, writeNumbers } from "../../base/json.ts";
import type { Model } from "../../model/model.ts";

/** The name under which files carry it: GGUF's metadata, safetensors' `__metadata__`, ONNX's `metadata_props`. */
export const recipeKey = "quantbook.recipe";

/** A measured value. */
export interface Measured {
  /** The value. */
  readonly value: number;
  /** What it lies in, with the probability `level`. */
  readonly interval?: readonly [low: number, high: number];
  /** Probability of the interval. */
  readonly level?: number;
}

/** How a model was made. */
export interface Recipe {
  /** The specifier that the source was loaded from. */
  readonly model: string;
  /** SHA-256 of the source checkpoint. */
  readonly source: string;
  /** The scheme as a short text, where it was said. */
  readonly scheme?: string;
  /** SHA-256 of the calibration windows' token ids; null without calibration. */
  readonly calibration: string | null;
  /** What was done to the source, in order, all options filled in. */
  readonly changes: readonly unknown[];
  /** What was measured, by name. */
  readonly measured: Readonly<Record<string, Measured>>;
  /** The receipt of the measurement: its hash, or where it lies. */
  readonly receipt?: string;
}

/** What is known of a model beyond what it knows of itself. */
export type RecipeNotes = Partial<Pick<Recipe, "scheme" | "receipt" | "measured">>;

/** The recipe of a model. */
export async function recipeOf(
  model: Model,
  { scheme, receipt, measured = {} }: RecipeNotes,
): Promise<Recipe> {
  const first = model.changes.find((one) => isJsonObject(one) && own(one, "calibration") !== undefined);
  const calibration = isJsonObject(first) ? first.calibration : null;
  return {
    model: model.name,
    source: await model.checkpoint.sha256(),
    ...scheme !== undefined && { scheme },
    calibration: typeof calibration === "string" ? calibration : null,
    changes: model.changes,
    measured,
    ...receipt !== undefined && { receipt },
  };
}

/** A recipe as files carry it. */
export function recipeText(recipe: Recipe): string {
  return writeNumbers(recipe);
}

/**
 * The recipe in a file's metadata; undefined where there is none.
 *
 * @throws {SyntaxError} where it is no JSON
 */
export function recipeIn(metadata: ReadonlyMap<string, unknown>): Recipe | undefined {
  const text = metadata.get(recipeKey);
  return typeof text === "string" ? readNumbers(text) as Recipe : undefined;
}

/** Lines of a model card. */
export function recipeLines({ model, source, scheme, calibration, changes, receipt }: Recipe): string[] {
  return [
    `- source: ${model}, SHA-256 ${source}`,
    ...scheme === undefined ? [] : [`- scheme: \`${scheme}\``],
    `- calibration: ${calibration === null ? "none" : `windows of SHA-256 ${calibration}`}`,
    ...receipt === undefined ? [] : [`- receipt: ${receipt}`],
    "",
    "What was done, in order:",
    "",
    "```json",
    ...changes.map((change) => JSON.stringify(change)),
    "```",
  ];
}

/** A row of a model card's table. */
export function measuredLine(name: string, { value, interval, level }: Measured): string {
  const short = (number: number) => Number(number.toPrecision(6));
  const around = interval === undefined
    ? ""
    : `${interval.map(short).join(" to ")}${level === undefined ? "" : ` (${100 * level}%)`}`;
  return `| ${name} | ${short(value)} | ${around} |`;
}
