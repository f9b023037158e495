/**
 * What a quantization has finished, on a disk: records by name in a folder of the run, each whole or not there. A run that is killed and
 * started again reads what is there and does the rest.
 */
import { makeDirectory, namesIn, readBytes, removeFile, statOf, writeAtomic } from "../../base/file.ts";
import { SchemeError } from "../error.ts";
import { decodeRecord, encodeRecord } from "./record.ts";

/** Records of one run. */
export class Finished {
  private constructor(
    private readonly directory: string,
    /** Most bytes that records may take. */
    readonly limit: number,
    /** Bytes of each file. */
    private readonly sizes: Map<string, number>,
    private readonly prefix = "",
  ) {}

  /**
   * The records of a run, a folder of its own below `directory`; what a killed process left half is removed.
   *
   * @param key what determines the run's results
   * @throws {DiskError}
   */
  static async open(directory: string, key: string, limit: number): Promise<Finished> {
    const own = `${directory}/${key.slice(0, 32)}`, sizes = new Map<string, number>();
    await makeDirectory(own);
    for (const name of await namesIn(own)) {
      if (name.endsWith(".part")) await removeFile(`${own}/${name}`);
      else sizes.set(name, (await statOf(`${own}/${name}`))?.size ?? 0);
    }
    return new Finished(own, limit, sizes);
  }

  /** The same records, names within a stage of the run. */
  of(stage: string): Finished {
    return new Finished(this.directory, this.limit, this.sizes, `${this.prefix}${stage}.`);
  }

  /** Bytes on the disk. */
  get bytes(): number {
    return [...this.sizes.values()].reduce((sum, one) => sum + one, 0);
  }

  /** What is kept under a name; undefined where nothing is, or nothing whole. */
  async read(name: string): Promise<unknown> {
    const file = this.#file(name);
    return this.sizes.has(file) ? decodeRecord(await readBytes(`${this.directory}/${file}`)) : undefined;
  }

  /**
   * Keeps a value under a name.
   *
   * @throws {SchemeError} `resume`, where it is nothing that can be kept, or more than was said
   * @throws {DiskError}
   */
  async write(name: string, value: unknown): Promise<void> {
    const file = this.#file(name), bytes = encodeRecord(value);
    const after = this.bytes - (this.sizes.get(file) ?? 0) + bytes.length;
    if (after > this.limit) {
      throw new SchemeError(
        "resume",
        `what is finished takes ${after} bytes: expected at most ${this.limit}`,
      );
    }
    await writeAtomic(`${this.directory}/${file}`, [bytes]);
    this.sizes.set(file, bytes.length);
  }

  /** Forgets a value. */
  async drop(name: string): Promise<void> {
    const file = this.#file(name);
    if (!this.sizes.delete(file)) return;
    await removeFile(`${this.directory}/${file}`);
  }

  /** The value of a step that nothing else is kept of: read, or computed and kept. */
  async step<T>(name: string, compute: () => Promise<T>): Promise<T> {
    const known = await this.read(name);
    if (known !== undefined) return known as T;
    const value = await compute();
    await this.write(name, value);
    return value;
  }

  #file(name: string): string {
    return `${this.prefix}${name}.record`;
  }
}
