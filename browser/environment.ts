/** In a page, in the place of `base/environment.ts`: there is no environment. */

/** Nothing is set. */
export function environmentVariable(_variable: string): string | undefined {
  return undefined;
}

/** Nothing can be set. */
export function defaultEnvironment(_variable: string, _value: string): void {}

/** What the engine says of itself; pages know no more of what they run on. */
export function runtimeVersions(): Readonly<Record<string, string>> {
  return { engine: navigator.userAgent };
}
