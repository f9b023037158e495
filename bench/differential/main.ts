/**
 * Differential tests against the makers' own tools.
 *
 *     deno task differential SORT [--first 0] [--count 1000] [--workers 1] [--record]
 *
 * Sorts: `models`, `vocabularies`, `pieces`, `files` (tokenizers of three kinds), `templates`, `gguf`. Runs the Python side
 * (`QUANTBOOK_PYTHON`, default `python3`; see README.md for its packages) and our side, prints what differs and how many
 * cases were equal, refused or different. `--record` writes that to `bench/results/differential-SORT.json`; a run of `models`
 * adds to what stands there if it goes on where that one ended. The exit code is not 0 where something differs.
 */
import { parseArgs } from "node:util";
import { runModels } from "./run_models.ts";

const folder = new URL(".", import.meta.url);
const python = Deno.env.get("QUANTBOOK_PYTHON") ?? "python3";
const { values, positionals: [sort = ""] } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    first: { type: "string", default: "0" },
    count: { type: "string", default: "1000" },
    workers: { type: "string", default: "1" },
    record: { type: "boolean", default: false },
  },
});
const [first, count, workers] = [values.first, values.count, values.workers].map(Number);
const record = values.record ? ["--record"] : [];

/** Runs a script of this folder; its output goes to `to`, or through. */
function start(
  program: string,
  args: readonly string[],
  pipes: Pick<Deno.CommandOptions, "stdin" | "stdout">,
) {
  return new Deno.Command(program, { args: [...args], cwd: folder, ...pipes }).spawn();
}

/** A generator whose lines a judge reads. */
async function piped(script: string, args: readonly string[], judge: string): Promise<number> {
  const made = start(python, [script, ...args], { stdout: "piped" });
  const judged = start(Deno.execPath(), ["run", "-A", judge, "--show", ...record], { stdin: "piped" });
  await made.stdout.pipeTo(judged.stdin);
  const codes = [(await made.status).code, (await judged.status).code];
  return Math.max(...codes);
}

/** Files of a generator, then a judge. */
async function files(script: string, args: readonly string[], judge: string): Promise<number> {
  const directory = await Deno.makeTempDir();
  try {
    const { code } = await start(python, [script, directory, ...args], {}).status;
    if (code !== 0) return code;
    return (await start(Deno.execPath(), ["run", "-A", judge, directory, ...record], {}).status).code;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const range = [String(first), String(count)];
const sorts: Readonly<Record<string, () => Promise<number>>> = {
  models: () => runModels(python, { first, count, workers, record: values.record }),
  vocabularies: () => piped("vocabularies.py", ["json", ...range], "vocabularies.ts"),
  pieces: () => piped("vocabularies.py", ["pieces", ...range], "vocabularies.ts"),
  files: () => piped("vocabularies.py", ["files", ...range], "vocabularies.ts"),
  templates: () => piped("templates.py", range, "templates.ts"),
  gguf: () => files("gguf.py", range, "gguf.ts"),
};
if (
  !Object.hasOwn(sorts, sort) || ![first, count, workers].every((one) => Number.isInteger(one) && one >= 0)
) {
  const names = Object.keys(sorts).join("|");
  console.error(`usage: deno task differential ${names} [--first 0] [--count 1000] [--workers 1] [--record]`);
  Deno.exit(2);
}
Deno.exit(Math.min(await sorts[sort](), 1));
