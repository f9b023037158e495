/**
 * Models and data sets by their name on the Hugging Face hub, in the cache that Python's `huggingface_hub` uses too:
 * `blobs/` by hash, `snapshots/<commit>/` with links to them, `refs/<revision>` with the commit.
 *
 * Environment: `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`.
 */
import { datasetInfo, listFiles, modelInfo } from "@huggingface/hub";
import { downloadFile, type DownloadProgress, type HubFile } from "./hub/download.ts";
import { HubError } from "./hub/error.ts";
import { type HubAccess, hubFetch, type Patience } from "./hub/request.ts";
import { writeAtomic } from "../base/file.ts";

/** How to get a model or a data set from the hub. */
export interface HubOptions {
  /** Branch, tag or commit (default `main`; of data sets the hub's own conversion to Parquet, `refs/convert/parquet`). */
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
  const repo: Repo = { type: "model", name: model };
  const folder = folderOf(repo, revision);
  if (isOffline()) return await cached(folder, repo, revision, "config.json");
  const access = accessOf(patience);
  const { sha, files } = await askHub(access, repo, revision);
  const snapshot = `${folder}/snapshots/${sha}`;
  await fetchFiles(access, repo, sha, choose(files, model), snapshot, folder, onDownload);
  await keepReference(folder, revision, sha);
  return snapshot;
}

/** Part of a data set. */
export interface DatasetPart {
  /** Name on the hub: `allenai/ai2_arc`. */
  readonly name: string;
  /** Its configuration: `ARC-Easy`. */
  readonly config: string;
  /** `train`, `validation` or `test`. */
  readonly split: string;
}

/**
 * The Parquet files of a part of a data set in the cache, in their order, downloaded where they are missing.
 *
 * @throws {HubError} see its codes
 */
export async function hubDataset(
  { name, config, split }: DatasetPart,
  options: HubOptions = {},
): Promise<string[]> {
  const { revision = "refs/convert/parquet", onDownload = () => {}, patience = { tries: 5, seconds: 1 } } =
    options;
  for (const part of [config, split]) {
    if (!/^[\w][\w.-]*$/.test(part)) throw new HubError("missing", `${name} has no part ${part}`);
  }
  const repo: Repo = { type: "dataset", name },
    folder = folderOf(repo, revision),
    part = `${config}/${split}`;
  if (isOffline()) return await filesIn(`${await cached(folder, repo, revision, part)}/${part}`);
  const access = accessOf(patience);
  const { sha, files } = await askHub(access, repo, revision, part);
  const chosen = [...files.values()].filter(({ path }) => path.endsWith(".parquet"));
  if (chosen.length === 0) throw new HubError("missing", `${name} has no Parquet files ${part} on the hub`);
  const target = `${folder}/snapshots/${sha}/${part}`, fresh = `${target}.${crypto.randomUUID()}`;
  await fetchFiles(access, repo, sha, chosen, fresh, folder, onDownload);
  // Only whole parts get their name.
  await Deno.remove(target, { recursive: true }).catch(() => {});
  await Deno.rename(fresh, target);
  await keepReference(folder, revision, sha);
  return await filesIn(target);
}

interface Repo {
  readonly type: "model" | "dataset";
  readonly name: string;
}

/** A repository's folder in the cache; refuses what would leave it. */
function folderOf({ type, name }: Repo, revision: string): string {
  if (!isHubName(name)) throw new HubError("missing", `${name} is no name of a ${type} on the hub`);
  if (!/^[\w][\w./-]*$/.test(revision) || revision.includes("..")) {
    throw new HubError("missing", `revision is ${revision}: expected a branch, tag or commit`);
  }
  return `${cacheDirectory()}/${type}s--${name.replace("/", "--")}`;
}

function isOffline(): boolean {
  return /^(1|on|yes|true)$/i.test(Deno.env.get("HF_HUB_OFFLINE") ?? "");
}

function accessOf(patience: Patience): HubAccess {
  const endpoint = (Deno.env.get("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, "");
  const token = Deno.env.get("HF_TOKEN");
  return { endpoint, patience, ...(token ? { token } : {}) };
}

/** Downloads files into `blobs/` and links them, under their own names, in a folder of the cache. */
async function fetchFiles(
  access: HubAccess,
  { type, name }: Repo,
  sha: string,
  files: readonly HubFile[],
  into: string,
  folder: string,
  onDownload: (progress: DownloadProgress) => void,
): Promise<void> {
  const root = `${access.endpoint}/${type === "dataset" ? "datasets/" : ""}${name}/resolve/${sha}`;
  const up = "../".repeat(into.slice(folder.length).split("/").length - 1);
  for (const path of [`${folder}/blobs`, into]) await Deno.mkdir(path, { recursive: true });
  for (const file of files) {
    await downloadFile(access, `${root}/${file.path}`, file, `${folder}/blobs/${file.etag}`, onDownload);
    const link = `${into}/${file.path.slice(file.path.lastIndexOf("/") + 1)}`;
    await Deno.remove(link).catch(() => {});
    await Deno.symlink(`${up}blobs/${file.etag}`, link);
  }
}

/** Only when all is there: whoever finds the revision finds all of its files. */
async function keepReference(folder: string, revision: string, sha: string): Promise<void> {
  const reference = `${folder}/refs/${revision}`;
  await Deno.mkdir(reference.slice(0, reference.lastIndexOf("/")), { recursive: true });
  await writeAtomic(reference, [new TextEncoder().encode(sha)]);
}

async function filesIn(directory: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(directory), ({ name }) => `${directory}/${name}`);
  return names.sort();
}

function cacheDirectory(): string {
  const own = Deno.env.get("HF_HUB_CACHE");
  if (own) return own;
  const home = Deno.env.get("HF_HOME");
  return `${home ? home : `${Deno.env.get("HOME") ?? "."}/.cache/huggingface`}/hub`;
}

/** The snapshot of a revision without asking anybody; `proof` lies in it when it is whole. */
async function cached(folder: string, { name }: Repo, revision: string, proof: string): Promise<string> {
  const sha = commit.test(revision)
    ? revision
    : (await Deno.readTextFile(`${folder}/refs/${revision}`).catch(() => "")).trim();
  const snapshot = `${folder}/snapshots/${sha}`;
  const found = commit.test(sha) && await Deno.stat(`${snapshot}/${proof}`).then(() => true, () => false);
  if (!found) {
    throw new HubError(
      "offline",
      `${name}, revision ${revision}: not in the cache ${folder}, and HF_HUB_OFFLINE forbids to ask the hub`,
    );
  }
  return snapshot;
}

/** The commit of a revision, and the files of a directory of the repository. */
async function askHub(
  access: HubAccess,
  repo: Repo,
  revision: string,
  path = "",
): Promise<{ sha: string; files: Map<string, HubFile> }> {
  const shared = { hubUrl: access.endpoint, fetch: hubFetch(access) };
  try {
    const about = { ...shared, name: repo.name, revision };
    const { sha } = repo.type === "model"
      ? await modelInfo({ ...about, additionalFields: ["sha"] })
      : await datasetInfo({ ...about, additionalFields: ["sha"] });
    if (typeof sha !== "string" || !commit.test(sha)) {
      throw new HubError(
        "answer",
        `${access.endpoint}: the commit of ${repo.name} is ${JSON.stringify(sha)}`,
      );
    }
    const files = new Map<string, HubFile>();
    for await (const entry of listFiles({ ...shared, repo, revision: sha, path })) {
      const etag = entry.lfs?.oid ?? entry.oid ?? "";
      const size = entry.lfs?.size ?? entry.size;
      // Names and hashes become paths of the cache.
      const name = path === "" || !entry.path.startsWith(`${path}/`)
        ? entry.path
        : entry.path.slice(path.length + 1);
      if (entry.type !== "file" || !/^[\w][\w.-]*$/.test(name)) continue;
      if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) || !Number.isSafeInteger(size) || size < 0) {
        throw new HubError(
          "answer",
          `${repo.name}: ${entry.path} has hash ${JSON.stringify(etag)} and ${size} bytes`,
        );
      }
      files.set(name, { path: entry.path, size, etag });
    }
    return { sha, files };
  } catch (error) {
    if (error instanceof HubError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new HubError("answer", `${access.endpoint}: ${repo.name}: ${reason}`, { cause: error });
  }
}

function choose(all: ReadonlyMap<string, HubFile>, model: string): HubFile[] {
  const weights = all.has("model.safetensors")
    ? ["model.safetensors"]
    : [...all.keys()].filter((path) => path === indexFile || /^model-\d+-of-\d+\.safetensors$/.test(path));
  if (weights.length === 0) throw new HubError("missing", `${model} has no safetensors weights on the hub`);
  return [...wanted, ...weights].flatMap((path) => all.get(path) ?? []);
}
