/** What a results store is. */
import { QuantbookError } from "../../base/error.ts";
import { readNumbers } from "../../base/json.ts";

/**
 * A stored result cannot be read or written, is not there, contradicts another, or a store is not named as one:
 * `"corrupt"`, `"unreadable"`, `"unwritable"`, `"missing"`, `"conflict"`, `"location"`.
 */
export class ResultsError extends QuantbookError {}

/** A store of JSON values. */
export interface ResultsStore {
  /** How it was named, for messages. */
  readonly location: string;
  /** The value under a name; undefined when there is none. */
  read(name: string): Promise<unknown>;
  /** Stores a value, in place of an older one: readers see one or the other, whole. */
  write(name: string, value: unknown): Promise<void>;
  /** Removes a value; nothing happens when there is none. */
  remove(name: string): Promise<void>;
  /** All names, sorted. */
  list(): Promise<string[]>;
  /** Waits until nobody else holds the claim on a name, and holds it until it is disposed of or this process dies. */
  claim(name: string): Promise<AsyncDisposable>;
}

/**
 * The value under a name, or a new one, made while nobody else makes it.
 *
 * @param what the value in words, for the error
 * @throws {ResultsError} `missing`, when only a stored value will do and there is none
 */
export async function storedOr<T>(
  store: ResultsStore | null,
  name: string,
  make: () => Promise<T>,
  { what, storedOnly }: { readonly what: string; readonly storedOnly: boolean },
): Promise<{ value: T; stored: boolean }> {
  if (store === null) return { value: await make(), stored: false };
  const found = await store.read(name);
  if (found !== undefined) return { value: found as T, stored: true };
  if (storedOnly) throw new ResultsError("missing", `${what}: no result ${name} in ${store.location}`);
  await using _claim = await store.claim(name);
  const meanwhile = await store.read(name);
  if (meanwhile !== undefined) return { value: meanwhile as T, stored: true };
  const value = await make();
  await store.write(name, value);
  return { value, stored: false };
}

/** Parses a stored value, written by `writeNumbers`. */
export function parseStored(text: string, where: string): unknown {
  try {
    return readNumbers(text);
  } catch (cause) {
    throw new ResultsError("corrupt", `${where} is not JSON: delete it to measure again`, { cause });
  }
}
