/**
 * Models by their name on the Hugging Face hub, in the cache that Python's `huggingface_hub` uses too: `blobs/` by hash,
 * `snapshots/<commit>/` with links to them, `refs/<revision>` with the commit.
 *
 * Environment: `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`.
 */
import { listFiles, modelInfo } from "@huggingface/hub";
import { downloadFile, type DownloadProgress, type HubFile } from "./hub_download.ts";
import { HubError } from "./hub_error.ts";
import { type HubAccess, hubFetch, type Patience } from "./hub_request.ts";
import { writeAtomic } from "./file.ts";

/** How to get a model from the hub. */
export interface HubOptions {
  /** Branch, tag or commit (default `main`). */
  readonly revision?: string;
  /** Called while files arrive. */
  readonly onDownload?: (progress: DownloadProgress) => void;
  /** Patience with a hub that is busy or cut off (default 5 tries, 1 second before the second). */
  readonly patience?: Patience;
}

const name = /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)?$/;
const commit = /^[0-9a-f]{40}$/;
/** What a model needs; `.safetensors` and their index are chosen apart. */
const wanted = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
];
const indexFile = "model.safetensors.index.json";

/** Whether a specifier can be a name on the hub: `gpt2`, `facebook/opt-125m`. */
export function isHubName(specifier: string): boolean {
  return name.test(specifier) && !specifier.includes("..") && !/\.(gguf|safetensors|json)$/.test(specifier);
}

/**
 * The directory of a model's files in the cache, downloaded where they are missing.
 *
 * @throws {HubError} see its codes
 */
export async function hubDirectory(model: string, options: HubOptions = {}): Promise<string> {
  const { revision = "main", onDownload = () => {}, patience = { tries: 5, seconds: 1 } } = options;
  if (!isHubName(model)) throw new HubError("missing", `${model} is no name of a model on the hub`);
  if (!/^[\w][\w./-]*$/.test(revision) || revision.includes("..")) {
    throw new HubError("missing", `revision is ${revision}: expected a branch, tag or commit`);
  }
  const folder = `${cacheDirectory()}/models--${model.replace("/", "--")}`;
  if (/^(1|on|yes|true)$/i.test(Deno.env.get("HF_HUB_OFFLINE") ?? "")) {
    return await cached(folder, model, revision);
  }
  const endpoint = (Deno.env.get("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, "");
  const token = Deno.env.get("HF_TOKEN");
  const access: HubAccess = { endpoint, patience, ...(token ? { token } : {}) };
  const { sha, files } = await askHub(access, model, revision);
  const snapshot = `${folder}/snapshots/${sha}`;
  for (const path of [`${folder}/blobs`, snapshot]) await Deno.mkdir(path, { recursive: true });
  for (const file of files) {
    const url = `${endpoint}/${model}/resolve/${sha}/${file.path}`;
    await downloadFile(access, url, file, `${folder}/blobs/${file.etag}`, onDownload);
    const link = `${snapshot}/${file.path}`;
    await Deno.remove(link).catch(() => {});
    await Deno.symlink(`../../blobs/${file.etag}`, link);
  }
  // Only now: whoever finds the revision finds all of its files.
  const reference = `${folder}/refs/${revision}`;
  await Deno.mkdir(reference.slice(0, reference.lastIndexOf("/")), { recursive: true });
  await writeAtomic(reference, [new TextEncoder().encode(sha)]);
  return snapshot;
}

function cacheDirectory(): string {
  const own = Deno.env.get("HF_HUB_CACHE");
  if (own) return own;
  const home = Deno.env.get("HF_HOME");
  return `${home ? home : `${Deno.env.get("HOME") ?? "."}/.cache/huggingface`}/hub`;
}

/** The snapshot of a revision without asking anybody. */
async function cached(folder: string, model: string, revision: string): Promise<string> {
  const sha = commit.test(revision)
    ? revision
    : (await Deno.readTextFile(`${folder}/refs/${revision}`).catch(() => "")).trim();
  const snapshot = `${folder}/snapshots/${sha}`;
  const found = commit.test(sha) && await Deno.stat(`${snapshot}/config.json`).then(() => true, () => false);
  if (!found) {
    throw new HubError(
      "offline",
      `${model}, revision ${revision}: not in the cache ${folder}, and HF_HUB_OFFLINE forbids to ask the hub`,
    );
  }
  return snapshot;
}

/** The commit of a revision, and the files of a model that are needed. */
async function askHub(
  access: HubAccess,
  model: string,
  revision: string,
): Promise<{ sha: string; files: HubFile[] }> {
  const shared = { hubUrl: access.endpoint, fetch: hubFetch(access) };
  try {
    const info = await modelInfo({ ...shared, name: model, revision, additionalFields: ["sha"] });
    const { sha } = info;
    if (typeof sha !== "string" || !commit.test(sha)) {
      throw new HubError("answer", `${access.endpoint}: the commit of ${model} is ${JSON.stringify(sha)}`);
    }
    const all = new Map<string, HubFile>();
    for await (const entry of listFiles({ ...shared, repo: { type: "model", name: model }, revision: sha })) {
      const etag = entry.lfs?.oid ?? entry.oid ?? "";
      const size = entry.lfs?.size ?? entry.size;
      // Names and hashes become paths of the cache.
      if (entry.type !== "file" || !/^[\w][\w.-]*$/.test(entry.path)) continue;
      if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) || !Number.isSafeInteger(size) || size < 0) {
        throw new HubError(
          "answer",
          `${model}: ${entry.path} has hash ${JSON.stringify(etag)} and ${size} bytes`,
        );
      }
      all.set(entry.path, { path: entry.path, size, etag });
    }
    return { sha, files: choose(all, model) };
  } catch (error) {
    if (error instanceof HubError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new HubError("answer", `${access.endpoint}: ${model}: ${reason}`, { cause: error });
  }
}

function choose(all: ReadonlyMap<string, HubFile>, model: string): HubFile[] {
  const weights = all.has("model.safetensors")
    ? ["model.safetensors"]
    : [...all.keys()].filter((path) => path === indexFile || /^model-\d+-of-\d+\.safetensors$/.test(path));
  if (weights.length === 0) throw new HubError("missing", `${model} has no safetensors weights on the hub`);
  return [...wanted, ...weights].flatMap((path) => all.get(path) ?? []);
}
