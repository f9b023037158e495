/**
 * The cache on the disk as Python's `huggingface_hub` keeps it. Of a repository: `blobs/` by hash, `snapshots/<commit>/` with links
 * to them, `refs/<revision>` with the commit, `trees/<commit>.json` with the list of its files, `.no_exist/<commit>/` with empty
 * files for those that it lacks. Beside the repositories: `.locks/`. All that is written gets its name when it is whole.
 */
import { copyFile, link, readdir, rename, rm, symlink } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { diskReason } from "../../base/disk.ts";
import { isMissing, makeDirectory, readText, statOf, writeAtomic } from "../../base/file.ts";
import { isJsonObject, own } from "../../base/json.ts";
import { HubError } from "./error.ts";
import { areLinksDisabled, cacheDirectory } from "./settings.ts";

/** A model or a data set. */
export interface Repo {
  readonly type: "model" | "dataset";
  readonly name: string;
}

/** A file of a repository on the hub. */
export interface HubFile {
  /** Path in the repository. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** What identifies the contents: SHA-256 of large files, the git hash of others. */
  readonly etag: string;
  /** Python's own entry of the list of files. */
  readonly entry: Readonly<Record<string, string | number>>;
}

/** The files of a commit by their paths. */
export type Listing = ReadonlyMap<string, HubFile>;

/** Whether a text is the full hash of a commit. */
export const isCommit = (text: string): boolean => /^[0-9a-f]{40}$/.test(text);

/** Runs what writes to the cache; whatever goes wrong is the disk's fault and said so. */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HubError) throw error;
    const advice = "HF_HOME or HF_HUB_CACHE names another place for the cache";
    throw new HubError("disk", `${diskReason(error)}: ${path} cannot be written; ${advice}`, {
      cause: error,
    });
  }
}

/** A repository in the cache. */
export class CachedRepo {
  /** Its folder. */
  readonly folder: string;
  readonly #locks: string;

  /** Of a name that {@linkcode checkNames} has seen. */
  constructor(readonly repo: Repo) {
    const name = `${repo.type}s--${repo.name.replace("/", "--")}`, cache = cacheDirectory();
    this.folder = `${cache}/${name}`;
    this.#locks = `${cache}/.locks/${name}`;
  }

  /** Where a file's bytes lie. */
  blob({ etag }: HubFile): string {
    return `${this.folder}/blobs/${etag}`;
  }

  /** What whoever makes a blob holds. */
  lock({ etag }: HubFile): string {
    return `${this.#locks}/${etag}.lock`;
  }

  /** The directory of a commit's files. */
  snapshot(commit: string): string {
    return `${this.folder}/snapshots/${commit}`;
  }

  /** The commit that a revision was last known to be. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = (await read(`${this.folder}/refs/${revision}`))?.trim() ?? "";
    return isCommit(text) ? text : undefined;
  }

  /** Writes down which commit a revision is, unless that is known. */
  async keepCommit(revision: string, commit: string): Promise<void> {
    if (await this.commitOf(revision) === commit) return;
    await this.#write(`${this.folder}/refs/${revision}`, commit);
  }

  /** The list of a commit's files, if somebody has asked for it. */
  async listing(commit: string): Promise<Listing | undefined> {
    const text = await read(`${this.folder}/trees/${commit}.json`);
    try {
      return text === undefined ? undefined : readListing(JSON.parse(text));
    } catch {
      return undefined; // Another version's.
    }
  }

  /** Keeps the list of a commit's files. */
  async keepListing(commit: string, listing: Listing): Promise<void> {
    const files = Object.fromEntries([...listing].map(([path, { entry }]) => [path, entry]).sort());
    await this.#write(
      `${this.folder}/trees/${commit}.json`,
      JSON.stringify({ format_version: 1, files }, null, 1),
    );
  }

  /** Which of some files the commit is known to lack. */
  async absent(commit: string, paths: readonly string[]): Promise<Set<string>> {
    const found = new Set<string>();
    for (const path of paths) {
      if (await statOf(`${this.folder}/.no_exist/${commit}/${path}`).catch(() => null)) found.add(path);
    }
    return found;
  }

  /** Keeps that the commit lacks some files. */
  async keepAbsent(commit: string, paths: readonly string[]): Promise<void> {
    const known = await this.absent(commit, paths);
    for (const path of paths) {
      if (!known.has(path)) await this.#write(`${this.folder}/.no_exist/${commit}/${path}`, "");
    }
  }

  /** Paths of the files of a snapshot, whether or not it is whole. */
  async pathsIn(commit: string): Promise<string[]> {
    const root = this.snapshot(commit);
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    return entries.filter((one) => !one.isDirectory() && !one.name.endsWith(".part"))
      .map(({ parentPath, name }) => relative(root, `${parentPath}/${name}`).replaceAll("\\", "/")).sort();
  }

  /** Whether a file of a commit is there, whole as far as its size is known. */
  async has(commit: string, path: string, size?: number): Promise<boolean> {
    const found = await statOf(`${this.snapshot(commit)}/${path}`).catch(() => null);
    return found !== null && found.isFile && (size === undefined || found.size === size);
  }

  /** Gives a blob its name in a snapshot: by a symbolic link, or where there are none by a hard one, or as a copy. */
  async place(commit: string, file: HubFile): Promise<void> {
    const target = `${this.snapshot(commit)}/${file.path}`, blob = this.blob(file);
    const fresh = `${target}.${crypto.randomUUID().slice(0, 8)}.part`;
    await onDisk(target, async () => {
      await makeDirectory(dirname(target));
      try {
        await linkOrCopy(relative(dirname(target), blob).replaceAll("\\", "/"), blob, fresh);
        // Somebody who looks sees the old one or the new one, never none.
        await rename(fresh, target);
      } finally {
        await rm(fresh, { force: true }).catch(() => {});
      }
    });
  }

  async #write(path: string, text: string): Promise<void> {
    await onDisk(path, async () => {
      await makeDirectory(dirname(path));
      await writeAtomic(path, [new TextEncoder().encode(text)]);
    });
  }
}

/** Windows allows symbolic links to few, file systems such as FAT have no links at all. */
async function linkOrCopy(to: string, blob: string, at: string): Promise<void> {
  const made = (work: Promise<void>) => work.then(() => true, () => false);
  if (!areLinksDisabled() && await made(symlink(to, at))) return;
  if (!await made(link(blob, at))) await copyFile(blob, at);
}

async function read(path: string): Promise<string | undefined> {
  return await readText(path).catch((error) => {
    if (isMissing(error)) return undefined;
    throw new HubError("disk", `${path}: cannot be read: ${diskReason(error)}`, { cause: error });
  });
}

/** The files of Python's `trees/<commit>.json`; undefined for another format. */
function readListing(value: unknown): Listing | undefined {
  const files = isJsonObject(value) && own(value, "format_version") === 1 ? own(value, "files") : undefined;
  if (!isJsonObject(files)) return undefined;
  const listing = new Map<string, HubFile>();
  for (const [path, entry] of Object.entries(files)) {
    const file = isJsonObject(entry) ? hubFile(path, entry) : undefined;
    if (file === undefined) return undefined;
    listing.set(path, file);
  }
  return listing;
}

/** A file by an entry of a list; undefined where its path or its hash could lead out of the cache. */
export function hubFile(path: string, entry: Readonly<Record<string, unknown>>): HubFile | undefined {
  const { size, blob_id, lfs_sha256, lfs_size, xet_hash } = entry;
  const etag = lfs_sha256 ?? blob_id, bytes = lfs_size ?? size;
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..") || /[\0\\]/.test(path)) {
    return undefined;
  }
  if (typeof etag !== "string" || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) return undefined;
  if (typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes < 0) return undefined;
  const kept = Object.entries({ size, blob_id, lfs_sha256, lfs_size, xet_hash })
    .filter((one): one is [string, string | number] =>
      typeof one[1] === "string" || typeof one[1] === "number"
    );
  return { path, size: bytes, etag, entry: Object.fromEntries(kept) };
}
