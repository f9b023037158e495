/** What stands for files of the platform in a page. `build/browser.ts` puts it there, and `mod_test.ts` holds what it leads to. */

/** Paths below the project's root. */
export const inPlaceOf: Readonly<Record<string, string>> = {
  "base/environment.ts": "browser/environment.ts",
  "base/file.ts": "browser/file.ts",
  "base/fixture.ts": "browser/fixture.ts",
  "base/hash.ts": "browser/hash.ts",
  "eval/store/key.ts": "browser/key.ts",
  "kernels/cpu/platform.ts": "browser/platform.ts",
  "kernels/default.ts": "browser/default.ts",
  "model/hub.ts": "browser/hub.ts",
};
