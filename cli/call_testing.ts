/** The command as a user has it: in a shell, in a folder of one's own. */
import { pathOf } from "../base/file.ts";

const root = pathOf(new URL("../", import.meta.url));

/** What a command left behind. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `quantbook` with arguments, in a folder. */
export async function quantbook(args: readonly string[], cwd = root, env = {}): Promise<Outcome> {
  const command = [
    "run",
    "-A",
    "--no-check",
    "--quiet",
    "--no-lock",
    "--config",
    `${root}deno.json`,
    `${root}cli/main.ts`,
  ];
  return await outcomeOf(
    new Deno.Command(Deno.execPath(), {
      args: [...command, ...args],
      cwd,
      env: { QUANTBOOK_THREADS: "1", NO_COLOR: "1", ...env },
    }),
  );
}

/** Runs a line of a shell in which `quantbook` is this checkout's. */
export async function shell(line: string, cwd: string): Promise<Outcome> {
  const run =
    `"${Deno.execPath()}" run -A --no-check --quiet --no-lock --config "${root}deno.json" "${root}cli/main.ts"`;
  return await outcomeOf(
    new Deno.Command("sh", {
      args: ["-c", `quantbook() { ${run} "$@"; }\n${line}`],
      cwd,
      env: { QUANTBOOK_THREADS: "1", NO_COLOR: "1" },
    }),
  );
}

async function outcomeOf(command: Deno.Command): Promise<Outcome> {
  const { code, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out, stderr: err };
}
