/** The log of an evaluation: one line of JSON per example, written as it is done, from which an interrupted run goes on. */
import { diskReason } from "../../base/disk.ts";
import { isJsonObject, own, readNumbers, writeNumbers } from "../../base/json.ts";
import { TaskError } from "./error.ts";
import type { TaskExample } from "./result.ts";

/** An open log. */
export interface TaskLog extends Disposable {
  /** Examples that an earlier run has done, by id. */
  readonly done: ReadonlyMap<number, TaskExample>;
  /** Adds an example. */
  add(example: TaskExample): void;
}

/**
 * Opens or goes on with a log. Its first line is `key`: what determines the results. A line that a killed run left
 * unfinished is dropped.
 *
 * @throws {TaskError} `log` when the file is another run's log, or none
 */
export function openLog(path: string, key: Readonly<Record<string, unknown>>): TaskLog {
  const head = writeNumbers(key);
  const { done, end } = readLog(path, head);
  const written = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      throw new TaskError("log", `${path}: cannot be written: ${diskReason(cause)}`, { cause });
    }
  };
  const file = written(() => Deno.openSync(path, { write: true, create: true }));
  const encoder = new TextEncoder();
  const write = (text: string) =>
    written(() => {
      const bytes = encoder.encode(`${text}\n`);
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    });
  written(() => file.truncateSync(end));
  file.seekSync(end, Deno.SeekMode.Start);
  if (end === 0) write(head);
  return { done, add: (example) => write(writeNumbers(example)), [Symbol.dispose]: () => file.close() };
}

function readLog(path: string, head: string): { done: Map<number, TaskExample>; end: number } {
  const done = new Map<number, TaskExample>();
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { done, end: 0 };
    throw new TaskError("log", `${path}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  if (whole === "") return { done, end: 0 };
  const lines = whole.split("\n").slice(0, -1);
  if (lines[0] !== head) {
    throw new TaskError(
      "log",
      `${path}:1: the log belongs to another run: ${lines[0].slice(0, 200)}, not ${head}`,
    );
  }
  for (const [i, line] of lines.slice(1).entries()) {
    const example = parse(line);
    if (example === undefined) throw new TaskError("log", `${path}:${i + 2}: not an example of this log`);
    done.set(example.id, example);
  }
  return { done, end: new TextEncoder().encode(whole).length };
}

function parse(line: string): TaskExample | undefined {
  try {
    const value = readNumbers(line);
    return isJsonObject(value) && Number.isInteger(own(value, "id"))
      ? value as unknown as TaskExample
      : undefined;
  } catch {
    return undefined;
  }
}
