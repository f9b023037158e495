/** What the hub is asked for: the commit of a revision, and the files of a commit. */
import { datasetInfo, listFiles, modelInfo } from "@huggingface/hub";
import { type HubFile, hubFile, isCommit, type Listing, type Repo } from "./cache.ts";
import { HubError } from "./error.ts";
import { type HubAccess, hubFetch, reasonOf } from "./request.ts";

/**
 * The commit that a revision is now.
 *
 * @throws {HubError} as {@linkcode hubFetch}; `answer`
 */
export async function askCommit(access: HubAccess, { type, name }: Repo, revision: string): Promise<string> {
  return await understood(access, name, async () => {
    const about = { hubUrl: access.endpoint, fetch: hubFetch(access), name, revision };
    const { sha } = type === "model"
      ? await modelInfo({ ...about, additionalFields: ["sha"] })
      : await datasetInfo({ ...about, additionalFields: ["sha"] });
    if (typeof sha === "string" && isCommit(sha)) return sha;
    throw new HubError("answer", `${access.endpoint}: the commit of ${name} is ${JSON.stringify(sha)}`);
  });
}

/**
 * All files of a commit.
 *
 * @throws {HubError} as {@linkcode hubFetch}; `answer`
 */
export async function askListing(access: HubAccess, repo: Repo, commit: string): Promise<Listing> {
  return await understood(access, repo.name, async () => {
    const listing = new Map<string, HubFile>();
    const shared = { hubUrl: access.endpoint, fetch: hubFetch(access) };
    for await (const found of listFiles({ ...shared, repo, revision: commit, recursive: true })) {
      if (found.type !== "file") continue;
      const { path, size, oid, lfs } = found;
      const xet =
        "xetHash" in found && typeof found.xetHash === "string" && /^[0-9a-f]{64}$/.test(found.xetHash)
          ? { xet_hash: found.xetHash }
          : {};
      const large = lfs ? { lfs_sha256: lfs.oid, lfs_size: lfs.size } : {};
      const file = hubFile(path, { size: lfs?.size ?? size, blob_id: oid, ...large, ...xet });
      if (file === undefined) {
        const said = JSON.stringify([path, lfs?.oid ?? oid, lfs?.size ?? size]);
        throw new HubError(
          "answer",
          `${repo.name}: a file of the hub's list has path, hash and bytes ${said}`,
        );
      }
      listing.set(path, file);
    }
    return listing;
  });
}

/** The library's own errors are of answers that it cannot read. */
async function understood<T>(access: HubAccess, name: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof HubError) throw error;
    throw new HubError("answer", `${access.endpoint}: ${name}: ${reasonOf(error)}`, { cause: error });
  }
}
