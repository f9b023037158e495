/** What the command lines share: a wrong call or file is told in a sentence, not in a stack of the code's own lines. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { QuantbookError } from "../base/error.ts";

/** A command was called with arguments that it does not know: `"usage"`. */
export class UsageError extends QuantbookError {
  /** Makes an error of a sentence, and the synopsis of the command where that is short. */
  constructor(message: string, usage?: string, options?: ErrorOptions) {
    super("usage", usage === undefined ? message : `${message}\n${usage}`, options);
  }
}

/**
 * The options and other arguments of this process.
 *
 * @throws {UsageError} for an unknown option and one without its value
 */
export function commandLine<T extends NonNullable<ParseArgsConfig["options"]>>(usage: string, options: T) {
  try {
    return parseArgs({ args: [...Deno.args], allowPositionals: true, options });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), usage, { cause });
  }
}

/** Runs a command and ends the process, whose device's threads would keep it alive, with the exit code; 2 for wrong input. */
export async function runCommand(main: () => Promise<number>): Promise<never> {
  try {
    Deno.exit(await main());
  } catch (error) {
    if (!(error instanceof QuantbookError || error instanceof Deno.errors.NotFound)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}
