/** A verb's words and options, read by commander; what is wrong with them is told in a sentence with the nearest right spelling. */
import { Command, CommanderError, Option } from "commander";
import { didYouMean } from "../base/nearest.ts";
import { UsageError } from "./command_line.ts";
import { Output } from "./output.ts";
import { Call, type Verb, type VerbOption } from "./verb.ts";

/** What every verb takes. */
export const sharedOptions: readonly VerbOption[] = [
  { flags: "--json", about: "print the result as one JSON value" },
  { flags: "--quiet", about: "no progress" },
  { flags: "--no-color", about: "no colours (so does NO_COLOR)" },
];

/** The help of a verb was asked for. */
export class HelpWanted {
  constructor(readonly text: string) {}
}

/**
 * Reads what was typed behind a verb.
 *
 * @throws {UsageError}
 */
export function readCall(name: string, verb: Verb, args: readonly string[]): Call | HelpWanted {
  const written: string[] = [], command = commandOf(name, verb, (text) => written.push(text));
  try {
    command.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") return new HelpWanted(written.join(""));
    throw new UsageError(sentenceOf(name, error.message));
  }
  const options: Record<string, string | boolean> = command.opts();
  const named = Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      value,
    ]),
  );
  const { json = false, quiet = false, color = true } = named;
  const out = new Output({ json: json === true, quiet: quiet === true, color: color === true });
  return new Call(command.args, named, out);
}

function commandOf(name: string, verb: Verb, write: (text: string) => void): Command {
  const command = new Command(`quantbook ${name}`).description(verb.about).exitOverride()
    .configureOutput({ writeOut: write, writeErr: () => {} }).helpOption("--help", "show this");
  for (const { name: word, about } of verb.words ?? []) {
    const inner = word.replaceAll(/[[\].]/g, ""), many = word.includes("...") ? "..." : "";
    command.argument(word.startsWith("[") ? `[${inner}${many}]` : `<${inner}${many}>`, about);
  }
  for (const { flags, about, choices, fallback } of [...verb.options ?? [], ...sharedOptions]) {
    const [long, value] = flags.split(" ");
    const described = fallback === undefined ? about : `${about} (default: ${fallback})`;
    const option = new Option(value === undefined ? long : `${long} <${value}>`, described);
    command.addOption(choices === undefined ? option : option.choices([...choices]));
  }
  return command.addHelpText("after", `\nExamples:\n${verb.examples.map((one) => `  ${one}`).join("\n")}`);
}

/** Commander's message as one sentence. */
function sentenceOf(name: string, message: string): string {
  const [said, hint] = message.replace(/^error: /, "").replace(/\.$/, "").split("\n");
  const meant = /^\(Did you mean (?:one of )?(.*)\?\)$/.exec(hint ?? "")?.[1];
  return `quantbook ${name}: ${reworded(said)}${meant === undefined ? "" : `: did you mean ${meant}?`}`;
}

/** Two sentences as one, and the nearest of a few values. */
function reworded(said: string): string {
  const choice = /^option '(--\S+) .*' argument '(.*)' is invalid\. Allowed choices are (.*)$/s.exec(said);
  if (choice === null) return said.replace(/\. Expected (\d+ arguments? but got \d+).*$/s, ": expected $1");
  const [, flag, value, all] = choice;
  return `${flag} is ${JSON.stringify(value)}${
    didYouMean(value, all.split(", ")) || `: expected one of ${all}`
  }`;
}
