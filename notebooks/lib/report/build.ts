/** Where the report is built from: commit, date and the public address of the sources. */
import { ROOT } from "../notebook/files.ts";
import type { Build } from "./site.ts";

/** Reads the state of the repository; everything that git cannot tell is left out. */
export async function readBuild(root = ROOT): Promise<Build> {
  const commit = await git(root, ["rev-parse", "HEAD"]);
  const remote = await git(root, ["remote", "get-url", "origin"]);
  const repository = /(?:github|gitlab|codeberg)\.(?:com|org)[/:]([\w.-]+\/[\w.-]+?)(?:\.git)?$/.exec(
    remote ?? "",
  );
  const host = /(github|gitlab)\.com|codeberg\.org/.exec(remote ?? "")?.[0];
  const epoch = Number(Deno.env.get("SOURCE_DATE_EPOCH"));
  const date = epoch > 0 ? new Date(epoch * 1000) : new Date();
  return {
    date: date.toISOString().slice(0, 10),
    commit,
    root,
    sourceUrl: (path, line) =>
      repository && host && commit
        ? `https://${host}/${repository[1]}/blob/${commit}/${path}${line === undefined ? "" : `#L${line}`}`
        : null,
  };
}

async function git(root: string, args: readonly string[]): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command("git", { args: [...args], cwd: root, stderr: "null" })
      .output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null;
  }
}
