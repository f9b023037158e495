/**
 * Where results are kept: JSON values under names, on a directory or an S3-compatible server. Many processes on many
 * machines may use one store at once: a value is there whole or not at all, and a claim keeps two of them from doing
 * the same work.
 */
import type { ResultsStore } from "./store/contract.ts";
import { DirectoryStore } from "./store/directory.ts";

/**
 * Opens a store: a directory (also a mounted bucket), or `s3://bucket/prefix`, which takes its settings from the
 * environment as all AWS tools do (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, ...).
 *
 * @throws {ResultsError} `location`
 */
export async function openStore(location: string): Promise<ResultsStore> {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(location)) return new DirectoryStore(location);
  // Its package is large, and nobody else shall fetch it: neither the path nor the type is one that a loader follows.
  const path = import.meta.url.replace(/\/store(\.\w+)$/, "/store/s3$1");
  const { S3Store }: { S3Store: new (location: string) => ResultsStore } = await import(path);
  return new S3Store(location);
}
