/** Names of repositories and revisions, which become paths of the cache. */
import { HubError } from "./error.ts";

/** Whether a specifier can be a name on the hub: `gpt2`, `facebook/opt-125m`. */
export function isHubName(specifier: string): boolean {
  // The cache's folders join the parts of a name by "--".
  return /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)?$/.test(specifier) && !/\.\.|--/.test(specifier) &&
    !/\.(gguf|safetensors|json|git)$/.test(specifier);
}

/**
 * Refuses names that would lead out of the cache; of revisions those that git refuses for branches and tags.
 *
 * @throws {HubError} `missing`
 */
export function checkNames(
  { type, name }: { readonly type: string; readonly name: string },
  revision: string,
): void {
  if (!isHubName(name)) throw new HubError("missing", `${name} is no name of a ${type} on the hub`);
  const bad = /[\0-\x20\x7f~^:?*[\\]|\.\.|\/\/|@\{|\/\.|\.lock(?:\/|$)|^[./]|[./]$|^$/;
  if (bad.test(revision)) {
    throw new HubError(
      "missing",
      `revision is ${JSON.stringify(revision)}: expected a branch, tag or commit`,
    );
  }
}
