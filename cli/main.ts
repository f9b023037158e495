/**
 * `quantbook`: the command. `deno run -A cli/main.ts VERB ...`, `deno task quantbook VERB ...`, or, after
 * `deno install -g -A --config deno.json -n quantbook cli/main.ts` in a checkout, `quantbook VERB ...`.
 *
 * Exit codes: 0, 1 where a check failed (a finding, with its sentence), 2 where the call or a file is wrong; 70 where the command itself is.
 *
 * @module
 */
import { didYouMean } from "../base/nearest.ts";
import { QuantbookError } from "../base/error.ts";
import { UsageError } from "./command_line.ts";
import type { Verbs } from "./verb.ts";

/** The verbs, in the order of the help. */
export const verbs: Verbs = {
  measure: { phrase: "perplexity of a model, with its uncertainty", load: () => import("./measure.ts") },
  compare: {
    phrase: "models and schemes against a reference, with intervals",
    load: () => import("./compare.ts"),
  },
  verify: { phrase: "a receipt, measured again", load: () => import("./verify.ts") },
  quantize: {
    phrase: "quantize a model and write it for other runtimes",
    load: () => import("./quantize.ts"),
  },
  export: { phrase: "write a model for other runtimes", load: () => import("./export.ts") },
  fit: { phrase: "the best mixture of bits within a budget, proved", load: () => import("./fit.ts") },
  sizes: { phrase: "what a model takes, and what of", load: () => import("./sizes.ts") },
  scheme: { phrase: "a scheme as text and as JSON", load: () => import("./scheme.ts") },
  sweep: { phrase: "a grid of cells, on one machine or many", load: () => import("./sweep.ts") },
  reproduce: { phrase: "a published number, measured on a model", load: () => import("./reproduce.ts") },
  report: {
    phrase: "the report: notebooks and published numbers as pages",
    load: () => import("./report.ts"),
  },
  methods: { phrase: "what there is: methods, options, papers", load: () => import("./methods.ts") },
  doctor: {
    phrase: "devices, cache, versions, and whether the kernels are right",
    load: () => import("./doctor.ts"),
  },
  completion: { phrase: "words for the tab key of bash, zsh or fish", load: () => import("./completion.ts") },
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
      console.error(error.message);
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
  const [{ verb }, { HelpWanted, readCall }] = await Promise.all([verbs[name].load(), import("./parse.ts")]);
  const call = readCall(name, verb, args);
  if (call instanceof HelpWanted) {
    console.log(call.text.trimEnd());
    return 0;
  }
  const device = call.text("device");
  if (device !== undefined) Deno.env.set("QUANTBOOK_DEVICE", device);
  return await verb.run(call, verbs);
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
