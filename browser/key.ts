/** In a page, in the place of `eval/store/key.ts`: sources are not here, but who built the page has hashed them. */

let source: string | undefined;

/** Says what the hash of the sources is that this page was built from. */
export function giveSourceHash(hash: string): void {
  source = hash;
}

/** Nothing is kept. */
export function resultsLocation(): string {
  return "/results";
}

/**
 * The hash that the page was given, of the entries that it was given for.
 *
 * @throws where none was
 */
export function sourceHash(entries: readonly string[], _folders: readonly string[] = []): Promise<string> {
  if (source !== undefined) return Promise.resolve(source);
  return Promise.reject(new Error(`the page was not given the hash of ${entries.join(", ")}`));
}
