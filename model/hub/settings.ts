/**
 * Where Python's `huggingface_hub` finds its cache, its token and its hub: the same variables, so that both use one cache.
 */
import { environmentVariable as variable } from "../../base/environment.ts";
import { isMissing, readText } from "../../base/file.ts";
import { diskReason } from "../../base/disk.ts";
import { HubError } from "./error.ts";

/** The folder of all repositories: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else `huggingface/hub` in `XDG_CACHE_HOME` or `~/.cache`. */
export function cacheDirectory(): string {
  const own = variable("HF_HUB_CACHE") ?? variable("HUGGINGFACE_HUB_CACHE");
  return own === undefined ? `${homeDirectory()}/hub` : expanded(own);
}

/** Whether the hub may not be asked: `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`. */
export function isOffline(): boolean {
  return isTrue(variable("HF_HUB_OFFLINE") ?? variable("TRANSFORMERS_OFFLINE"));
}

/** Whether snapshots are to hold files instead of links: `HF_HUB_DISABLE_SYMLINKS`. */
export function areLinksDisabled(): boolean {
  return isTrue(variable("HF_HUB_DISABLE_SYMLINKS"));
}

/** Address of the hub, without a slash at the end: `HF_ENDPOINT`. */
export function hubEndpoint(): string {
  return (variable("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, "");
}

/** Seconds without a byte after which an answer (`HF_HUB_ETAG_TIMEOUT`) or a download (`HF_HUB_DOWNLOAD_TIMEOUT`) is given up. */
export function longestSilence(of: "answer" | "download"): number {
  const text = variable(of === "answer" ? "HF_HUB_ETAG_TIMEOUT" : "HF_HUB_DOWNLOAD_TIMEOUT");
  return Number(text) > 0 ? Number(text) : 10;
}

/**
 * The user's token: `HF_TOKEN`, or what `hf auth login` left in `token` of `HF_HOME` (`HF_TOKEN_PATH`); none where
 * `HF_HUB_DISABLE_IMPLICIT_TOKEN` says so.
 */
export async function userToken(): Promise<string | undefined> {
  if (isTrue(variable("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return undefined;
  const given = cleaned(variable("HF_TOKEN") ?? variable("HUGGING_FACE_HUB_TOKEN") ?? "");
  if (given !== undefined) return given;
  const path = expanded(variable("HF_TOKEN_PATH") ?? `${homeDirectory()}/token`);
  try {
    return cleaned(await readText(path));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new HubError("disk", `${path}: the token cannot be read: ${diskReason(error)}`, { cause: error });
  }
}

/** A header takes no line ends, which token files end with. */
function cleaned(token: string): string | undefined {
  return token.replaceAll(/[\r\n]/g, "").trim() || undefined;
}

function homeDirectory(): string {
  const own = variable("HF_HOME");
  if (own !== undefined) return expanded(own);
  return expanded(`${variable("XDG_CACHE_HOME") ?? "~/.cache"}/huggingface`);
}

/** `~` and `$NAME` or `${NAME}`, as Python's `expanduser` and `expandvars` know them; names that are not set stay. */
function expanded(path: string): string {
  const home = variable("HOME") ?? variable("USERPROFILE") ?? ".";
  return path.replace(/^~(?=$|[/\\])/, home)
    .replaceAll(/\$(?:(\w+)|\{(\w+)\})/g, (all, bare, braced) => variable(bare ?? braced) ?? all);
}

function isTrue(text: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(text ?? "");
}
