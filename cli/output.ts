/** What a verb prints: results on standard output, progress on standard error; a line that is rewritten on a terminal, plain lines elsewhere. */
import { writeNumbers } from "../base/json.ts";

/** How a verb prints. */
export interface OutputOptions {
  /** Results as one JSON value. */
  readonly json: boolean;
  /** No progress. */
  readonly quiet: boolean;
  /** Colours where the stream is a terminal. */
  readonly color: boolean;
}

/** A share of work that is done. */
export interface Share {
  /** Steps that are done. */
  readonly done: number;
  /** Steps in all. */
  readonly total: number;
}

/** How often progress is told where it is not a terminal, in seconds. */
const plainEvery = 5;

/** Where a verb's results and progress go. */
export class Output {
  /** Whether results are JSON. */
  readonly json: boolean;
  readonly #quiet: boolean;
  readonly #color: boolean;
  readonly #terminal = Deno.stderr.isTerminal();
  #task = "";
  #began = 0;
  #told = 0;
  #open = false;

  constructor({ json, quiet, color }: OutputOptions) {
    this.json = json;
    this.#quiet = quiet;
    this.#color = color && Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
  }

  /** The result: one JSON value, or the lines. */
  result(value: unknown, lines: () => readonly string[]): void {
    this.#close();
    const text = this.json ? writeNumbers(value) : lines().join("\n");
    if (text !== "") console.log(text);
  }

  /** A line beside the result, on standard error. */
  note(line: string): void {
    this.#close();
    if (!this.#quiet) console.error(line);
  }

  /** A title in results. */
  bold(text: string): string {
    return this.#color ? `\x1b[1m${text}\x1b[22m` : text;
  }

  /** Tells how far a task is, with the time that is left at its pace so far. */
  progress(task: string, { done, total }: Share, write: (count: number) => string = String): void {
    if (this.#quiet) return;
    const now = performance.now() / 1000;
    if (task !== this.#task) {
      this.#close();
      [this.#task, this.#began, this.#told] = [task, now, this.#terminal ? 0 : now];
    }
    if (!this.#terminal && now - this.#told < plainEvery && done < total) return;
    this.#told = now;
    const spent = now - this.#began, left = done === 0 ? NaN : spent / done * (total - done);
    const time = done >= total ? duration(spent) : Number.isFinite(left) ? `${duration(left)} left` : "";
    const line = [`${task} ${write(done)}/${write(total)}`, time].filter((one) => one !== "").join(", ");
    if (!this.#terminal) return console.error(line);
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[2K${line}`));
    this.#open = true;
    if (done >= total) this.#close();
  }

  #close(): void {
    if (this.#open) Deno.stderr.writeSync(new TextEncoder().encode("\n"));
    this.#open = false;
    this.#task = "";
  }
}

/** `93 s`, `12.5 min`, `3.2 h`, `4.1 days`. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(1)} min`;
  return seconds < 2 * 86400 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} days`;
}

/** `512 B`, `3.1 MB`: powers of 1000. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const power = Math.min(3, Math.floor(Math.log10(count) / 3));
  return `${(count / 1000 ** power).toFixed(1)} ${["B", "kB", "MB", "GB"][power]}`;
}

/** Columns side by side. */
export function columns(rows: readonly (readonly string[])[], gap = "  "): string[] {
  const widths = rows.reduce<number[]>(
    (most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, cell.length)),
    [],
  );
  return rows.map((row) =>
    row.map((cell, i) => i + 1 < row.length ? cell.padEnd(widths[i]) : cell).join(gap).trimEnd()
  );
}
