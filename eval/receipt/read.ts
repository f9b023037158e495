/** Reads receipts: every field is there, of its kind, and nothing else. */
import { isJsonObject, type JsonObject, own } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import { ReceiptError } from "./error.ts";
import type { Receipt } from "./receipt.ts";
import type { TaskReceipt } from "./task.ts";

type Check = (value: unknown, where: string) => void;

function wrong(where: string, value: unknown, expected: string): never {
  throw new ReceiptError("format", `${where} is ${show(value)}: expected ${expected}`);
}

const finite: Check = (value, where) => {
  if (typeof value !== "number" || !Number.isFinite(value)) wrong(where, value, "a number");
};
// Perplexities overflow and divergences may be infinite: that is what was measured.
const number: Check = (value, where) => {
  if (typeof value !== "number") wrong(where, value, "a number");
};
const count: Check = (value, where) => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    wrong(where, value, "an integer from 0");
  }
};
const text: Check = (value, where) => {
  if (typeof value !== "string") wrong(where, value, "a text");
};
const hash: Check = (value, where) => {
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value)) {
    wrong(where, value, "a SHA-256 in hexadecimal");
  }
};
const object: Check = (value, where) => {
  if (!isJsonObject(value)) wrong(where, value, "an object");
};
const one = (...values: readonly unknown[]): Check => (value, where) => {
  if (!values.includes(value)) wrong(where, value, values.map((each) => show(each)).join(" or "));
};
const orNull = (check: Check): Check => (value, where) => {
  if (value !== null) check(value, where);
};
const list = (check: Check): Check => (value, where) => {
  if (!Array.isArray(value)) return wrong(where, value, "an array");
  for (const [i, each] of value.entries()) check(each, `${where}[${i}]`);
};
const texts: Check = (value, where) => {
  object(value, where);
  if (isJsonObject(value)) { for (const [key, each] of Object.entries(value)) text(each, `${where}.${key}`); }
};
const fields =
  (checks: Readonly<Record<string, Check>>, optional: readonly string[] = []): Check => (value, where) => {
    if (!isJsonObject(value)) return wrong(where, value, "an object");
    const path = (name: string) => where === "receipt" ? name : `${where}.${name}`;
    for (const [name, check] of Object.entries(checks)) {
      const each = own(value, name);
      if (each !== undefined || !optional.includes(name)) check(each, path(name));
    }
    const other = Object.keys(value).find((name) => !Object.hasOwn(checks, name));
    if (other !== undefined) {
      throw new ReceiptError(
        "format",
        `${path(other)} is no field: expected ${Object.keys(checks).join(", ")}`,
      );
    }
  };

const sourceOfText = fields(
  {
    name: text,
    split: one("train", "test"),
    windows: count,
    length: count,
    seed: count,
    skip: count,
    bos: text,
  },
  ["split", "windows", "seed", "skip", "bos"],
);
const textClaim = fields({ from: orNull(sourceOfText), hash, windows: count });
const modelClaim = fields({ specifier: text, files: hash, scheme: object, model: hash });
/** What receipts of every kind say of a run. */
const run = {
  calibration: textClaim,
  execution: one("simulated", "packed"),
  source: hash,
  device: fields({ name: text, description: text, threads: count }),
  versions: texts,
  seed: orNull(count),
  seconds: fields({ quantize: finite, evaluate: finite }),
  peakBytes: count,
  logits: hash,
};
const receipt = fields({
  quantbookReceipt: one(1),
  value: fields({
    perplexity: fields({ value: number, standardError: number, tokens: count }),
    divergence: orNull(fields({ value: number, standardError: number, top1Agreement: finite })),
    comparison: orNull(object),
  }),
  row: fields({ label: text, key: hash, bitsPerWeight: finite, modelBitsPerWeight: finite }),
  windows: list(fields({ loss: number, divergence: orNull(number), agreement: orNull(finite) })),
  model: modelClaim,
  reference: orNull(modelClaim),
  text: textClaim,
  ...run,
  digests: list(hash),
  seal: hash,
}, ["row"]);

const flag: Check = (value, where) => {
  if (typeof value !== "boolean") wrong(where, value, "true or false");
};
const dataClaim: Check = (value, where) => {
  if (typeof value === "string" || value === null) return;
  fields({ examples: text, shots: text }, ["shots"])(value, where);
};
const numbers: Check = (value, where) => {
  object(value, where);
  if (isJsonObject(value)) {
    for (const [key, each] of Object.entries(value)) {
      number(each, `${where}.${key}`);
    }
  }
};
const askedTask = fields({
  ...{ name: text, data: dataClaim, limit: count, fewShot: count, seed: count, maxLength: count },
  ...{ harness: one("0.4.8", "0.4.13"), addBosToken: flag, prefixToken: count, truncate: flag },
  chatTemplate: (value, where) => typeof value === "string" || flag(value, where),
  ...{ fewShotAsMultiturn: flag, systemInstruction: text },
}, [
  ...["data", "limit", "fewShot", "seed", "maxLength", "harness", "addBosToken", "prefixToken", "truncate"],
  ...["chatTemplate", "fewShotAsMultiturn", "systemInstruction"],
]);
const taskReceipt = fields({
  quantbookTaskReceipt: one(1),
  value: fields({ metrics: numbers, standardErrors: numbers }),
  task: askedTask,
  rows: fields({ hash, documents: count }),
  documents: list(
    fields({ requests: hash, scores: list(fields({ logProbability: number, isGreedy: flag })) }),
  ),
  model: modelClaim,
  ...run,
  digests: list(hash),
  seal: hash,
});

/**
 * A task's receipt from parsed JSON (`readNumbers`).
 *
 * @throws {ReceiptError} `format`, naming the field
 */
export function requireTaskReceipt(value: unknown): asserts value is TaskReceipt & JsonObject {
  taskReceipt(value, "receipt");
}

/**
 * A receipt from parsed JSON (`readNumbers`).
 *
 * @throws {ReceiptError} `format`, naming the field
 */
export function requireReceipt(value: unknown): asserts value is Receipt & JsonObject {
  receipt(value, "receipt");
}
