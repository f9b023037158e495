/** A repository's files of one commit: from the hub, or out of the cache where it has them and the hub does not answer. */
import { readText } from "../../base/file.ts";
import { askCommit, askListing } from "./ask.ts";
import { CachedRepo, isCommit, type Listing, type Repo } from "./cache.ts";
import { downloadFile, type DownloadProgress } from "./download.ts";
import { HubError } from "./error.ts";
import { checkNames } from "./names.ts";
import type { HubAccess, Patience } from "./request.ts";
import { hubEndpoint, isOffline, longestSilence, userToken } from "./settings.ts";
import { optionalFiles, type Wanted } from "./wanted.ts";

/** How to get a model or a data set from the hub. */
export interface HubOptions {
  /** Branch, tag or commit (default `main`; of data sets the hub's own conversion to Parquet, `refs/convert/parquet`). */
  readonly revision?: string;
  /** Called while files arrive. */
  readonly onDownload?: (progress: DownloadProgress) => void;
  /** Patience with a hub that is busy or cut off (default 5 tries, 1 second before the second). */
  readonly patience?: Patience;
  /** Called with what the user should know: that the cached files were taken as the hub does not answer. */
  readonly onNotice?: (notice: string) => void;
}

/** The files of a commit that were wanted, all of them. */
export interface Snapshot {
  readonly commit: string;
  readonly directory: string;
  readonly paths: readonly string[];
  /** What is not known of it. */
  readonly notices: readonly string[];
}

/**
 * The files of a repository that are wanted, from the hub or, where that does not answer, from the cache.
 *
 * @param usual the revision where none is asked for
 * @throws {HubError} see its codes
 */
export async function snapshot(
  repo: Repo,
  usual: string,
  wanted: Wanted,
  { revision = usual, onDownload = () => {}, patience = { tries: 5, seconds: 1 }, onNotice = console.warn }:
    HubOptions,
): Promise<Snapshot> {
  checkNames(repo, revision);
  const cache = new CachedRepo(repo), cached = await cachedSnapshot(cache, revision, wanted);
  const use = (found: Snapshot, ...notices: string[]) => {
    for (const notice of [...notices, ...found.notices]) onNotice(notice);
    return found;
  };
  const whole = typeof cached === "object";
  if (isOffline()) {
    if (whole) return use(cached);
    const why = `${repo.name}: ${cached}, and HF_HUB_OFFLINE forbids to ask the hub`;
    throw new HubError("offline", `${why}. ${noDirectory(repo)}`.trimEnd());
  }
  // A commit never changes.
  if (whole && isCommit(revision) && cached.notices.length === 0) return cached;
  const token = await userToken();
  const access = {
    endpoint: hubEndpoint(),
    patience,
    silence: longestSilence("answer"),
    ...token && { token },
  };
  // With the cache to fall back on, a hub that does not answer is not waited for.
  const asking = whole ? { ...access, patience: { ...patience, tries: 1 } } : access;
  let commit: string | undefined;
  try {
    commit = isCommit(revision) ? revision : await askCommit(asking, repo, revision);
    const listing = await cache.listing(commit) ?? await newListing(asking, cache, commit);
    return await fetchFiles(access, cache, commit, listing, wanted, revision, onDownload, onNotice);
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    if (commit === undefined && (error.code === "unauthorized" || error.code === "missing")) {
      throw new HubError(error.code, `${error.message}. ${noDirectory(repo)}`.trimEnd(), { cause: error });
    }
    if (error.code !== "network" && error.code !== "busy") throw error;
    if (whole && (commit === undefined || commit === cached.commit)) {
      return use(
        cached,
        `${repo.name}: the hub does not answer (${error.message}): commit ${cached.commit} of the cache`,
      );
    }
    throw new HubError(error.code, `${error.message}. ${advice(repo, cached, cache.folder)}`, {
      cause: error,
    });
  }
}

/** Whoever calls has looked: a name may be a path that was mistyped. */
function noDirectory({ type, name }: Repo): string {
  return type === "model" ? `If ${name} is to be a directory: there is none of that name here.` : "";
}

function advice(repo: Repo, cached: Snapshot | string, folder: string): string {
  if (typeof cached === "object") {
    return `The cache has the older commit ${cached.commit}, which HF_HUB_OFFLINE=1 takes without asking the hub`;
  }
  return `The cache does not help: ${cached}. ${noDirectory(repo)} ` +
    `A cache that has it can be named by HF_HOME; HF_HUB_OFFLINE=1 keeps from asking the hub (${folder})`;
}

/** The snapshot of a revision without asking anybody; or why there is none. */
async function cachedSnapshot(
  cache: CachedRepo,
  revision: string,
  wanted: Wanted,
): Promise<Snapshot | string> {
  const nothing = `revision ${revision} is not in the cache ${cache.folder}`;
  const commit = await cache.commitOf(revision);
  if (commit === undefined) return nothing;
  const listing = await cache.listing(commit), directory = cache.snapshot(commit);
  const names = listing ? [...listing.keys()] : await cache.pathsIn(commit);
  if (names.length === 0) return nothing;
  let paths: readonly string[];
  try {
    paths = await wanted(new Set(names), (path) => readText(`${directory}/${path}`));
  } catch (error) {
    return `revision ${revision} is not whole in the cache: ${
      error instanceof Error ? error.message : error
    }`;
  }
  for (const path of paths) {
    if (await cache.has(commit, path, listing?.get(path)?.size)) continue;
    return `revision ${revision} is not whole in the cache: ${directory} lacks ${path}`;
  }
  if (listing !== undefined) return { commit, directory, paths, notices: [] };
  const absent = await cache.absent(commit, optionalFiles);
  const unknown = optionalFiles.filter((one) => !names.includes(one) && !absent.has(one));
  const what = cache.repo.type === "model"
    ? unknown.length > 0 && `whether it has ${unknown.join(", ")}`
    : `whether it has more files than ${paths.join(", ")}`;
  return {
    commit,
    directory,
    paths,
    notices: what ? [`${cache.repo.name}: the cache does not know ${what}`] : [],
  };
}

async function newListing(access: HubAccess, cache: CachedRepo, commit: string): Promise<Listing> {
  const listing = await askListing(access, cache.repo, commit);
  // Without it the next run asks again.
  await cache.keepListing(commit, listing).catch(() => {});
  await cache.keepAbsent(commit, optionalFiles.filter((path) => !listing.has(path))).catch(() => {});
  return listing;
}

async function fetchFiles(
  access: HubAccess,
  cache: CachedRepo,
  commit: string,
  listing: Listing,
  wanted: Wanted,
  revision: string,
  onDownload: (progress: DownloadProgress) => void,
  onNotice: (notice: string) => void,
): Promise<Snapshot> {
  const { repo } = cache, directory = cache.snapshot(commit);
  const root = `${access.endpoint}/${
    repo.type === "dataset" ? "datasets/" : ""
  }${repo.name}/resolve/${commit}`;
  const patient = { ...access, silence: longestSilence("download") };
  const get = async (path: string) => {
    const file = listing.get(path);
    if (file === undefined) throw new HubError("missing", `${repo.name} has no file ${path} on the hub`);
    if (await cache.has(commit, path, file.size)) return;
    const url = `${root}/${path.split("/").map(encodeURIComponent).join("/")}`;
    await downloadFile(patient, url, file, { target: cache.blob(file), lock: cache.lock(file) }, onDownload);
    await cache.place(commit, file);
  };
  const paths = await wanted(new Set(listing.keys()), async (path) => {
    await get(path);
    return await readText(`${directory}/${path}`);
  });
  for (const path of paths) await get(path);
  // Only when all is there: whoever finds the revision finds all of its files.
  await cache.keepCommit(revision, commit).catch((error) => onNotice(`${repo.name}: ${error.message}`));
  return { commit, directory, paths, notices: [] };
}
