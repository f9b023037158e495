/**
 * Receipts of tasks: the scores of every document with the hashes of what was asked, of the rows and of the logits, such that a task's
 * numbers can be measured again, in whole or on a sample of documents.
 */
import { runtimeVersions } from "../../base/environment.ts";
import { hashOf, sha256Hex } from "../../base/hash.ts";
import { defaultDevice } from "../../kernels/default.ts";
import type { Device } from "../../kernels/device.ts";
import type { Model } from "../../model/model.ts";
import type { Scheme } from "../../quant/scheme.ts";
import type { Execution } from "../../quant/weights/linear.ts";
import { sourceHash } from "../store/key.ts";
import { ask, type OpenTask, openTask, type TaskData, type TaskOptions } from "../tasks/evaluate.ts";
import { groups, taskOf } from "../tasks/registry.ts";
import type { TokenRequest } from "../tasks/requests.ts";
import { answer, type Asked } from "../tasks/run.ts";
import type { Task } from "../tasks/task.ts";
import type { TokenWindows } from "../windows.ts";
import { ReceiptError } from "./error.ts";
import { digestOf, type ModelClaim, type ReceiptText, sealOf, type TextClaim } from "./receipt.ts";
import { claimOf, openFiles, openModel, windowsOf } from "./run.ts";

/** How a task was asked, as data; each as `TaskOptions` has it. */
export interface AskedTask extends
  Pick<
    TaskOptions,
    | ("limit" | "fewShot" | "seed" | "maxLength" | "harness" | "addBosToken" | "prefixToken" | "truncate")
    | ("chatTemplate" | "fewShotAsMultiturn" | "systemInstruction")
  > {
  /** Name of the task. */
  readonly name: string;
  /** Where its rows lie (absent: the suite's own); null where they were given. */
  readonly data?: string | { readonly examples: string; readonly shots?: string } | null;
}

/** What was found on one document. */
export interface DocumentClaim {
  /** Hash of the tokens that the model was fed and of those that were scored, of all requests. */
  readonly requests: string;
  /** Of each request: an answer, or a window of a page. */
  readonly scores: readonly { readonly logProbability: number; readonly isGreedy: boolean }[];
}

/** All that the receipt of a task says, but the digests that tie it to the logits. */
export interface TaskReceiptBody {
  /** The form of receipts: 1. */
  readonly quantbookTaskReceipt: 1;
  /** The numbers, as `evaluateTask` returns them. */
  readonly value: {
    readonly metrics: Readonly<Record<string, number>>;
    readonly standardErrors: Readonly<Record<string, number>>;
  };
  /** How it was asked. */
  readonly task: AskedTask;
  /** Hash of the rows with their prompts, worked examples included, and how many. */
  readonly rows: { readonly hash: string; readonly documents: number };
  /** In order. */
  readonly documents: readonly DocumentClaim[];
  /** What was measured. */
  readonly model: ModelClaim;
  /** The windows that methods calibrated on. */
  readonly calibration: TextClaim;
  /** How quantized weights were multiplied. */
  readonly execution: Execution;
  /** SHA-256 of the source files that measured. */
  readonly source: string;
  /** What it ran on. */
  readonly device: { readonly name: string; readonly description: string; readonly threads: number };
  /** Of the runtime and of its parts, and the machine's kind. */
  readonly versions: Readonly<Record<string, string>>;
  /** The seed that worked examples were drawn with; null for the task's own. */
  readonly seed: number | null;
  /** Seconds of quantization and of the passes. */
  readonly seconds: { readonly quantize: number; readonly evaluate: number };
  /** Most bytes that the device held. */
  readonly peakBytes: number;
  /** SHA-256 of the logits of all documents at the positions that predict what is scored. */
  readonly logits: string;
}

/** The receipt of a task. */
export interface TaskReceipt extends TaskReceiptBody {
  /** Of each document, the hash of all the fields above together with that document's logits, which are printed nowhere. */
  readonly digests: readonly string[];
  /** Hash of all fields above. */
  readonly seal: string;
}

/** What a task's receipt is wanted of. */
export interface TaskReceiptRun {
  /** A specifier for `loadModel`. */
  readonly model: string;
  /** What is done to the model (default: nothing). */
  readonly scheme?: Scheme;
  /** How the task is asked; rows may be given as they are. */
  readonly task: Omit<AskedTask, "data"> & { readonly data?: string | TaskData };
  /** The text that methods calibrate on. */
  readonly calibration?: ReceiptText | TokenWindows;
  /** How quantized weights are multiplied (default `"simulated"`). */
  readonly execution?: Execution;
  /** Where models run (default: the process's device). */
  readonly device?: Device;
  /** Called after each document. */
  readonly onDocument?: (share: { readonly done: number; readonly total: number }) => void;
}

/** Hash of the code that a task receipt's numbers come from. */
export function taskReceiptCode(): Promise<string> {
  return sourceHash(["eval/receipt/task.ts"]);
}

/**
 * Evaluates a task whose answers or pages are scored, and writes the receipt of it; `verifyReceipt` takes it.
 *
 * @throws {ReceiptError} `task` for a group, and for a task that generates text
 * @throws {TaskError} and {SchemeError}, as `evaluateTask` and `quantize` do
 *
 * @example
 * ```ts
 * import { makeTaskReceipt, verifyReceipt } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 *
 * const receipt = await makeTaskReceipt({ model: "fixture:llama", task: { name: "piqa", limit: 4 } });
 * assertEquals((await verifyReceipt(receipt)).verdict, "confirmed");
 * const worse = { ...receipt, value: { ...receipt.value, metrics: { acc: 0, acc_norm: 0 } } };
 * assertEquals((await verifyReceipt(worse, { sample: 1 })).verdict, "refuted");
 * ```
 */
export async function makeTaskReceipt(run: TaskReceiptRun): Promise<TaskReceipt> {
  const device = run.device ?? await defaultDevice(), { execution = "simulated", scheme = {} } = run;
  using files = await openFiles(run.model, device);
  const given = run.calibration ?? [], calibration = await windowsOf(given, files);
  const start = performance.now();
  using ran = await openModel(files, run.model, scheme, { calibration, execution });
  using open = await openReceiptTask(ran.model, run.task);
  const middle = performance.now(), documents: MeasuredDocument[] = [];
  for (let i = 0; i < open.placed.length; i++) {
    documents.push(await open.measure(i));
    run.onDocument?.({ done: i + 1, total: open.placed.length });
  }
  const end = performance.now(), { metrics, standardErrors } = open.valueOf(documents);
  const { data } = run.task;
  const body: TaskReceiptBody = {
    quantbookTaskReceipt: 1,
    value: { metrics, standardErrors },
    task: { ...run.task, data: dataClaim(data) },
    rows: { hash: open.key.examples, documents: documents.length },
    documents: documents.map(({ requests, scores }) => ({ requests, scores })),
    model: ran.claim,
    calibration: claimOf(given, calibration),
    execution,
    source: await taskReceiptCode(),
    device: { name: device.name, description: device.description, threads: device.threads },
    versions: runtimeVersions(),
    seed: run.task.seed ?? null,
    seconds: { quantize: (middle - start) / 1000, evaluate: (end - middle) / 1000 },
    peakBytes: device.memory.peak,
    logits: hashOf(documents.map(({ logits }) => logits)),
  };
  const digests = documents.map(({ logits }, i) => digestOf(body, i, logits));
  return { ...body, digests, seal: sealOf(body, digests) };
}

/** Where rows lie, as far as that is a path. */
function dataClaim(data: string | TaskData | undefined): AskedTask["data"] {
  if (data === undefined || typeof data === "string") return data;
  const { examples, shots } = data;
  if (typeof examples !== "string" || (shots !== undefined && typeof shots !== "string")) return null;
  return { examples, ...shots !== undefined && { shots } };
}

/** What was found on a document, with the hash of its logits. */
export interface MeasuredDocument extends DocumentClaim {
  /** SHA-256 of the float32 logits at the positions that predict what is scored. */
  readonly logits: string;
}

/** A task whose documents can be measured one by one. */
export interface ReceiptTask extends Pick<OpenTask, "placed" | "key">, Disposable {
  /** Hash of what is asked of a document. */
  requests(document: number): string;
  /** How many requests it has. */
  count(document: number): number;
  /** Measures a document. */
  measure(document: number): Promise<MeasuredDocument>;
  /** The numbers of the task from the scores of all documents. */
  valueOf(documents: readonly DocumentClaim[]): TaskReceiptBody["value"];
}

/**
 * The task of that name, if it has receipts.
 *
 * @throws {ReceiptError} `task`
 */
export function taskOfReceipt(name: string): Task {
  if (Object.hasOwn(groups, name)) {
    throw new ReceiptError("task", `${name} is a group of tasks: a receipt is of one of its members`);
  }
  const task = taskOf(name);
  if (task.kind !== "generation") return task;
  throw new ReceiptError(
    "task",
    `${name} generates text: receipts are of tasks whose answers or pages are scored`,
  );
}

/** Opens a task for a receipt; what is asked runs only where it is measured. */
export async function openReceiptTask(
  model: Model,
  { name, data, ...options }: TaskReceiptRun["task"],
): Promise<ReceiptTask> {
  const task = taskOfReceipt(name);
  const hashes = new Map<TokenRequest, string>();
  const open = await openTask(model, task, { ...options, data }, (request, rows) => {
    hashes.set(request, sha256Hex(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength)));
  });
  const asked = open.placed.map((one) => ask(open, one));
  return {
    placed: open.placed,
    key: open.key,
    requests: (i) => requestsHash(asked[i]),
    count: (i) => asked[i].requests.length,
    measure: async (i) => {
      const found = await answer(open, task, asked[i]);
      const logits = hashOf(asked[i].requests.map((request) => hashes.get(request)));
      hashes.clear();
      const scores = found.map(({ logProbability, isGreedy }) => ({ logProbability, isGreedy }));
      return { requests: requestsHash(asked[i]), scores, logits };
    },
    valueOf: (documents) => {
      const { metrics, standardErrors } = open.resultOf(
        asked.map((one, i) => one.record(documents[i].scores)),
      );
      return { metrics, standardErrors };
    },
    [Symbol.dispose]: () => open[Symbol.dispose](),
  };
}

function requestsHash({ requests }: Asked): string {
  return hashOf(requests.map(({ fed, targets }) => [Array.from(fed), Array.from(targets)]));
}
