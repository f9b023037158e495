/**
 * Compares the decoders of `models.py` with ours: a case is a configuration, weights from a counter and token ids. Equal are
 * logits within 1e-4 of their standard deviation (in float32, or in float64 where the two differ); refused is a typed error that names a field of the configuration; told is a
 * notice of the model that says what transformers does otherwise; anything else is a difference.
 *
 *     python bench/differential/models.py 0 1000 | deno run -A bench/differential/models.ts [--record] [--fixture FILE]
 */
import { QuantbookError } from "../../base/error.ts";
import { isJsonObject } from "../../base/json.ts";
import { loadModel } from "../../model/load.ts";
import { type RawTensor, writeSafetensors } from "../../model/safetensors.ts";
import { uniform } from "./counter.ts";

/** A line of `models.py`. */
export interface ModelCase {
  readonly seed: number;
  readonly type: string;
  /** The text of config.json. */
  readonly config: string;
  /** Names and shapes of the checkpoint. */
  readonly tensors: readonly (readonly [string, readonly number[]])[];
  /** What the names in the file lack at their beginning. */
  readonly strip: string;
  /** Tensors that are copies of others. */
  readonly same: Readonly<Record<string, string>>;
  readonly ids: readonly number[];
  /** All logits, `[tokens, vocabulary]`: base64 of float32. */
  readonly logits?: string;
  /** The same by float64, where transformers' own float32 is off by over 2e-5 of their deviation. */
  readonly exact?: string;
  /** Or some of them, by place. */
  readonly some?: readonly (readonly [number, number])[];
  /** Their standard deviation. */
  readonly deviation: number;
}

/** What became of a case. */
export type Outcome =
  | { readonly kind: "equal"; readonly error: number }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "told"; readonly reason: string }
  | { readonly kind: "different"; readonly message: string };

/** The files of a case, in a directory. */
async function write(directory: string, { seed, config, tensors, strip, same }: ModelCase): Promise<void> {
  await Deno.writeTextFile(`${directory}/config.json`, config);
  const entries = tensors.map(([name, shape]): [string, RawTensor] => {
    const file = name.startsWith(strip) ? name.slice(strip.length) : name;
    return [file, { dtype: "F32", shape, data: tensorOf(seed, same[name] ?? name, shape) }];
  });
  await writeSafetensors(`${directory}/model.safetensors`, new Map(entries));
}

/** Matrices that keep the size of what they read, small biases, norms around 1. */
function tensorOf(seed: number, name: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const count = shape.reduce((product, one) => product * one, 1);
  if (shape.length > 1) return uniform(seed, name, count, Math.sqrt(3 / shape[shape.length - 1]));
  if (name.endsWith("bias")) return uniform(seed, name, count, 0.1);
  return uniform(seed, name, count, 0.2).map((one) => 1 + one);
}

/** Runs our side. */
export async function judge(one: ModelCase): Promise<Outcome> {
  const directory = await Deno.makeTempDir({ dir: memory });
  try {
    await write(directory, one);
    using model = await loadModel(directory);
    const logits = await model.logits(Int32Array.from(one.ids));
    const outcome = compare(one, logits);
    // Where transformers rounds as its authors would not, a notice says so.
    const notice = model.notices.find((text) => / transformers /.test(text));
    return outcome.kind === "different" && notice !== undefined
      ? { kind: "told", reason: notice.replace(/^\S*config\.json: /, "") }
      : outcome;
  } catch (error) {
    return refusal(error, one.config);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const memory = await Deno.stat("/dev/shm").then(() => "/dev/shm", () => undefined);

function compare({ logits: text, exact, some = [], deviation }: ModelCase, logits: Float32Array): Outcome {
  const errors = [text, exact].flatMap((one) => {
    if (one === undefined) return [];
    const all = new Float32Array(Uint8Array.fromBase64(one).buffer);
    return [all.length === logits.length ? distance(all.entries(), logits) : Infinity];
  });
  const error = Math.min(...errors.length > 0 ? errors : [distance(some, logits)]) / deviation;
  if (error <= 1e-4) return { kind: "equal", error };
  return { kind: "different", message: `logits differ by ${error.toPrecision(3)} of their deviation` };
}

/** The largest distance; of a place that is not there or no number it is infinite. */
function distance(expected: Iterable<readonly [number, number]>, logits: Float32Array): number {
  let most = 0;
  for (const [place, value] of expected) {
    const one = Math.abs(logits[place] - value);
    most = Math.max(most, Number.isNaN(one) ? Infinity : one);
  }
  return most;
}

/** A refusal is typed and names a field; else it is a fault. */
function refusal(error: unknown, config: string): Outcome {
  const message = error instanceof Error ? error.message.replace(/^\S*config\.json: /, "") : String(error);
  if (!(error instanceof QuantbookError)) return { kind: "different", message: `no typed error: ${message}` };
  const keys = keysOf(JSON.parse(config));
  // A default may be what is refused: its key is not in the file, but it stands first, as all keys do.
  const named = keys.some((key) => new RegExp(`\\b${RegExp.escape(key)}\\b`).test(message)) ||
    /^[a-z][a-z0-9]*_[a-z0-9_]+ (is|must) /.test(message);
  if (!named) return { kind: "different", message: `names no field: ${message}` };
  return { kind: "refused", reason: message.replaceAll(/\d+(\.\d+)?(e[+-]?\d+)?/g, "#").slice(0, 110) };
}

function keysOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(keysOf);
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, one]) => [key, ...keysOf(one)]);
}

/** How many cases came out how. */
export interface Tally {
  equal: number;
  /** The largest error of an equal case, in deviations. */
  worst: number;
  readonly equalByType: Record<string, number>;
  readonly refused: Record<string, number>;
  /** Other numbers, of which a notice says that transformers computes them otherwise, and why. */
  readonly told: Record<string, number>;
  /** Configurations that the library refuses, or computes no numbers of. */
  refusedByLibrary: number;
  readonly different: string[];
}

/** A tally of nothing. */
export function emptyTally(): Tally {
  return { equal: 0, worst: 0, equalByType: {}, refused: {}, told: {}, refusedByLibrary: 0, different: [] };
}

/** Judges a case. */
export async function add(one: ModelCase | Skipped, tally: Tally): Promise<Outcome["kind"] | "skipped"> {
  const count = (table: Record<string, number>, key: string) => table[key] = (table[key] ?? 0) + 1;
  if ("skipped" in one) {
    tally.refusedByLibrary++;
    return "skipped";
  }
  const outcome = await judge(one);
  if (outcome.kind === "equal") {
    tally.equal++;
    tally.worst = Math.max(tally.worst, outcome.error);
    count(tally.equalByType, one.type);
  } else if (outcome.kind === "refused") count(tally.refused, `${one.type}: ${outcome.reason}`);
  else if (outcome.kind === "told") count(tally.told, `${one.type}: ${outcome.reason}`);
  else tally.different.push(`seed ${one.seed}, ${one.type}: ${outcome.message}\n  ${one.config}`);
  return outcome.kind;
}

/** A seed that gives no valid configuration. */
export interface Skipped {
  readonly seed: number;
  readonly type: string;
  readonly skipped: string;
}

/** Cases from lines of JSON. */
export async function* casesIn(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<ModelCase | Skipped> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
  }
}

if (import.meta.main) {
  const tally = emptyTally();
  for await (const one of casesIn(Deno.stdin.readable)) await add(one, tally);
  const { different, ...counts } = tally;
  if (Deno.args.includes("--show")) { for (const line of different) console.error(line); }
  console.log(JSON.stringify({ ...counts, different: different.length }, null, 1));
  Deno.exit(different.length > 0 ? 1 : 0);
}
