/** In a page, in the place of `base/fixture.ts`: files of the suite are those that the page gave under `/fixtures/`. */
import { QuantbookError } from "../base/error.ts";
import { exists } from "./file.ts";

/** A file was not given to this page: code `"fixture"`. */
export class FixtureError extends QuantbookError {}

/**
 * The path of a file or directory under `fixtures/`, such as `"models/llama"`.
 *
 * @throws {FixtureError} when it is not there
 */
export async function fixture(name: string): Promise<string> {
  const path = `/fixtures/${name}`;
  if (await exists(path)) return path;
  throw new FixtureError("fixture", `fixtures/${name} was not given to this page: pass it as one of "files"`);
}
