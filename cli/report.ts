/** `quantbook report`: the report, in a process of its own, since notebooks stand above the command. */
import { pathOf } from "../base/file.ts";
import type { Verb } from "./verb.ts";

/** The verb. */
export const verb: Verb = {
  about:
    "Executes notebooks, two of them where none is named, and renders all with the published numbers as pages that need no server. " +
    "Exit code 1 when a notebook fails. It runs in a checkout.",
  words: [{ name: "[NOTEBOOK...]", about: "notebooks to execute, such as rtn" }],
  options: [
    { flags: "--all", about: "execute all notebooks" },
    { flags: "--fresh", about: "execute them even if nothing has changed since" },
    { flags: "--committed", about: "execute none: their outputs as they were committed" },
    { flags: "--out DIR", about: "where pages go", fallback: "site" },
  ],
  examples: ["quantbook report --committed --out pages", "quantbook report --committed --out pages --json"],
  async run(call) {
    const { resolve } = await import("node:path");
    const directory = resolve(call.text("out") ?? "site");
    const flags = ["all", "fresh", "committed"].filter((name) => call.flag(name)).map((name) => `--${name}`);
    const root = new URL("../", import.meta.url), script = pathOf(new URL("notebooks/lib/report.ts", root));
    const lock = `--lock=${pathOf(new URL("heavy.lock", root))}`, config = pathOf(new URL("deno.json", root));
    const args = ["run", "-A", "--quiet", lock, "--config", config, script];
    const child = new Deno.Command(Deno.execPath(), {
      args: [...args, ...flags, "--out", directory, ...call.words],
      stdout: "piped",
      stderr: "inherit",
    });
    const { code, stdout } = await child.output();
    if (code !== 2) {
      call.out.result({ directory, failed: code !== 0 }, () => [new TextDecoder().decode(stdout).trim()]);
    }
    return code;
  },
};
