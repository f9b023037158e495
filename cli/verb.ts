/** What a verb of the command is: its words, its options, two examples that are tests, and what it runs. Nothing is loaded to describe it. */
import { UsageError } from "./command_line.ts";
import type { Output } from "./output.ts";

/** A verb of the command. */
export interface Verb {
  /** What it does, in a few sentences, for `--help`. */
  readonly about: string;
  /** Words behind the verb: `MODEL`, `[FILE]`, `FILE...`. */
  readonly words?: readonly Word[];
  /** Its own options; `--json` and the like are every verb's. */
  readonly options?: readonly VerbOption[];
  /** Lines of a shell that run in an empty folder, each as a user would type it. */
  readonly examples: readonly [string, string, ...string[]];
  /** Runs it; the exit code: 0, or 1 where a check failed. */
  run(call: Call, all: Verbs): Promise<number>;
}

/** All verbs by name, each with a phrase of what it does and its file, which is loaded alone. */
export type Verbs = Readonly<
  Record<string, { readonly phrase: string; readonly load: () => Promise<{ readonly verb: Verb }> }>
>;

/** A word behind a verb. */
export interface Word {
  /** As `MODEL`, `[FILE]` where it may be absent, `FILE...` where there may be several. */
  readonly name: string;
  /** What it is. */
  readonly about: string;
}

/** An option of a verb. */
export interface VerbOption {
  /** As `--windows N`, or `--strict` for one that is on or off. */
  readonly flags: string;
  /** What it is. */
  readonly about: string;
  /** Its value where none is given, for `--help`. */
  readonly fallback?: string;
  /** All values that it takes. */
  readonly choices?: readonly string[];
}

/** What was typed. */
export class Call {
  constructor(
    /** Words behind the verb. */
    readonly words: readonly string[],
    private readonly options: Readonly<Record<string, string | boolean | undefined>>,
    /** Where results and progress go. */
    readonly out: Output,
  ) {}

  /** The text of an option. */
  text(name: string): string | undefined {
    const value = this.options[name];
    return typeof value === "string" ? value : undefined;
  }

  /** Whether an option that is on or off was given. */
  flag(name: string): boolean {
    return this.options[name] === true;
  }

  /** The text of an option that must be given. */
  required(name: string, such: string): string {
    const value = this.text(name);
    if (value === undefined) throw new UsageError(`--${name} is missing: expected such as --${name} ${such}`);
    return value;
  }

  /** A whole number from `least` on. */
  count(name: string, least = 1): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (/^\d+$/.test(value) && Number.isSafeInteger(number) && number >= least) return number;
    throw new UsageError(`--${name} is ${JSON.stringify(value)}: expected a whole number from ${least} on`);
  }
}
