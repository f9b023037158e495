/** A results store in a directory. */
import { diskReason } from "../../base/disk.ts";
import { makeDirectory, writeAtomic } from "../../base/file.ts";
import { writeNumbers } from "../../base/json.ts";
import { parseStored, ResultsError, type ResultsStore } from "./contract.ts";

function unwritable(path: string, cause: unknown): ResultsError {
  return new ResultsError("unwritable", `${path}: cannot be written: ${diskReason(cause)}`, { cause });
}

/** One JSON file per value. Claims are file locks, which the system releases however a process ends. */
export class DirectoryStore implements ResultsStore {
  constructor(readonly location: string) {}

  async read(name: string): Promise<unknown> {
    const path = `${this.location}/${name}.json`;
    try {
      return parseStored(await Deno.readTextFile(path), path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      if (error instanceof ResultsError) throw error;
      throw new ResultsError("unreadable", `${path}: cannot be read: ${diskReason(error)}`, { cause: error });
    }
  }

  async write(name: string, value: unknown): Promise<void> {
    const path = `${this.location}/${name}.json`;
    try {
      await makeDirectory(this.location);
      await writeAtomic(path, [new TextEncoder().encode(writeNumbers(value))]);
    } catch (cause) {
      throw unwritable(path, cause);
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
      throw unwritable(path, cause);
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
