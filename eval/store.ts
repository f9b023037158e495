/**
 * Where results are kept: JSON values under names, on a directory or an S3-compatible server. Many processes on many
 * machines may use one store at once: a value is there whole or not at all, and a claim keeps two of them from doing
 * the same work.
 */
import { QuantbookError } from "../kernels/error.ts";

/**
 * A stored result cannot be read or written, is not there, contradicts another, or a store is not named as one:
 * `"corrupt"`, `"unwritable"`, `"missing"`, `"conflict"`, `"location"`.
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
 * Opens a store: a directory (also a mounted bucket), or `s3://bucket/prefix`, which takes its settings from the
 * environment as all AWS tools do (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, ...).
 *
 * @throws {ResultsError} `location`
 */
export async function openStore(location: string): Promise<ResultsStore> {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(location)) return new DirectoryStore(location);
  // A large package that only this store needs.
  const { S3Store } = await import("./s3_store.ts");
  return new S3Store(location);
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

/** Parses a stored value. */
export function parseStored(text: string, where: string): unknown {
  try {
    // JSON has no NaN, which is the error of a single window.
    return JSON.parse(text, (name, value) => name === "standardError" && value === null ? NaN : value);
  } catch (cause) {
    throw new ResultsError("corrupt", `${where} is not JSON: delete it to measure again`, { cause });
  }
}

/** One JSON file per value. Claims are file locks, which the system releases however a process ends. */
class DirectoryStore implements ResultsStore {
  constructor(readonly location: string) {}

  async read(name: string): Promise<unknown> {
    const path = `${this.location}/${name}.json`;
    try {
      return parseStored(await Deno.readTextFile(path), path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  async write(name: string, value: unknown): Promise<void> {
    const path = `${this.location}/${name}.json`;
    const temporary = `${this.location}/.${name}.${crypto.randomUUID()}`;
    try {
      await Deno.mkdir(this.location, { recursive: true });
      await Deno.writeTextFile(temporary, JSON.stringify(value));
      await Deno.rename(temporary, path);
    } catch (cause) {
      throw new ResultsError("unwritable", `cannot write ${path}`, { cause });
    }
  }

  async remove(name: string): Promise<void> {
    await Deno.remove(`${this.location}/${name}.json`).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }

  async list(): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const { name } of Deno.readDir(this.location)) {
        if (name.endsWith(".json") && !name.startsWith(".")) names.push(name.slice(0, -".json".length));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return names.sort();
  }

  async claim(name: string): Promise<AsyncDisposable> {
    const path = `${this.location}/.${name}.lock`;
    let file: Deno.FsFile;
    try {
      await Deno.mkdir(this.location, { recursive: true });
      file = await Deno.open(path, { create: true, write: true });
    } catch (cause) {
      throw new ResultsError("unwritable", `cannot write ${path}`, { cause });
    }
    await file.lock(true);
    return {
      [Symbol.asyncDispose]: async () => {
        // Once the value is stored the file has served: whoever still waits for it will find the value.
        const stored = await Deno.stat(`${this.location}/${name}.json`).then(() => true, () => false);
        if (stored) await Deno.remove(path).catch(() => {});
        file.close();
      },
    };
  }
}
