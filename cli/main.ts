/**
 * `quantbook`: the command. `deno run -A cli/main.ts VERB ...`, `deno task quantbook VERB ...`, or, after
 * `deno install -g -A --config deno.json -n quantbook cli/main.ts` in a checkout, `quantbook VERB ...`.
 *
 * Exit codes: 0, 1 where a check failed (a finding, with its sentence), 2 where the call or a file is wrong; 70 where the command itself is.
 *
 * @module
 */
import { isMissing } from "../base/file.ts";
import { didYouMean } from "../base/nearest.ts";
import { QuantbookError } from "../base/error.ts";
import { UsageError } from "./command_line.ts";
import type { Verb, Verbs } from "./verb.ts";

/** A verb's file. Its path is computed: one that a loader follows has packages fetched before the first line of the help. */
const file = (name: string) => (): Promise<{ readonly verb: Verb }> => import(beside(name));

/** The verbs, in the order of the help. */
export const verbs: Verbs = {
  measure: {
    phrase: "perplexity of a model or its answers to a task, with their uncertainty",
    load: file("measure"),
  },
  compare: {
    phrase: "models and schemes against a reference, with intervals",
    load: file("compare"),
  },
  verify: { phrase: "a receipt, measured again", load: file("verify") },
  quantize: {
    phrase: "quantize a model and write it for other runtimes",
    load: file("quantize"),
  },
  export: { phrase: "write a model for other runtimes", load: file("export") },
  fit: { phrase: "the best mixture of bits within a budget, proved", load: file("fit") },
  sizes: { phrase: "what a model takes, and what of", load: file("sizes") },
  scheme: { phrase: "a scheme as text and as JSON", load: file("scheme") },
  sweep: { phrase: "a grid of cells, on one machine or many", load: file("sweep") },
  reproduce: { phrase: "a published number, measured on a model", load: file("reproduce") },
  report: {
    phrase: "the report: notebooks and published numbers as pages",
    load: file("report"),
  },
  methods: { phrase: "what there is: methods, options, papers", load: file("methods") },
  doctor: {
    phrase: "devices, cache, versions, and whether the kernels are right",
    load: file("doctor"),
  },
  completion: { phrase: "words for the tab key of bash, zsh or fish", load: file("completion") },
};

const usage = () =>
  `Usage: quantbook VERB ...

Reproducible quantization research for language models.

Verbs:
${Object.entries(verbs).map(([name, { phrase }]) => `  ${name.padEnd(12)}${phrase}`).join("\n")}

quantbook VERB --help shows what it takes, with two examples.
Exit codes: 0; 1, a check failed; 2, a wrong call or file.`;

/**
 * Runs the command line and returns the exit code.
 *
 * @param args what was typed behind `quantbook`
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(args);
  } catch (error) {
    if (error instanceof QuantbookError || isFileError(error)) {
      console.error(isMissing(error) ? missingText(error) : error.message);
      return 2;
    }
    console.error(error);
    console.error("This is an error of quantbook itself: please report it with what you typed.");
    return 70;
  }
}

async function run([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === "--help" || name === "help") {
    console.log(usage());
    return name === undefined ? 2 : 0;
  }
  if (name === "--version") {
    const { default: { version } } = await import("../deno.json", { with: { type: "json" } });
    console.log(version);
    return 0;
  }
  if (!Object.hasOwn(verbs, name)) {
    const names = Object.keys(verbs);
    throw new UsageError(
      `quantbook has no verb ${JSON.stringify(name)}${
        didYouMean(name, names) || `: expected one of ${names.join(", ")}`
      }`,
    );
  }
  const parser: Promise<typeof import("./parse.ts")> = import(beside("parse"));
  const [{ verb }, { HelpWanted, readCall }] = await Promise.all([verbs[name].load(), parser]);
  const call = readCall(name, verb, args);
  if (call instanceof HelpWanted) {
    console.log(call.text.trimEnd());
    return 0;
  }
  const device = call.text("device");
  if (device !== undefined) Deno.env.set("QUANTBOOK_DEVICE", device);
  return await verb.run(call, verbs);
}

/** The address of a file beside this one. */
function beside(name: string): string {
  return import.meta.url.replace(/\/main(\.\w+)$/, `/${name}$1`);
}

/** What is not there, in a sentence: Deno and Node each have their own. */
function missingText({ message }: Error): string {
  const path = /'([^']*)'/.exec(message)?.[1];
  return path === undefined ? message : `${path} is not there: expected a file or a directory`;
}

/** An error of the operating system: by Deno's name, or by Node's code. */
function isFileError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { NotFound, PermissionDenied, IsADirectory, NotADirectory, AlreadyExists } = Deno.errors;
  const kinds = [NotFound, PermissionDenied, IsADirectory, NotADirectory, AlreadyExists];
  return kinds.some((kind) => error instanceof kind) ||
    "code" in error && /^E[A-Z]+$/.test(String(error.code));
}

// Threads of the device would keep the process alive.
if (import.meta.main) Deno.exit(await main(Deno.args));
