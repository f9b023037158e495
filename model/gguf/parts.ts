/**
 * Models split over several files, as llama.cpp's `gguf-split` writes them: the first has the metadata, each says which of how
 * many it is (`split.no` from 0, `split.count`), and their names tell the others': `NAME-00001-of-00003.gguf`.
 */
import { CheckpointError } from "../files/error.ts";
import { show } from "../../base/show.ts";
import type { GgufHeader, GgufValue } from "./header.ts";

type Metadata = ReadonlyMap<string, GgufValue>;

/** The files of the set that a file belongs to; itself alone when it is whole. */
export function partPaths(path: string, metadata: Metadata): readonly string[] {
  const count = partNumber(path, metadata, "split.count", 1), no = partNumber(path, metadata, "split.no", 0);
  if (count <= 1 && no === 0) return [path];
  const [, stem, , ending = ""] = /^(.*)-(\d{5})-of-\d{5}(\.gguf)?$/s.exec(path) ?? [];
  const name = (part: number) => `${stem}-${digits(part)}-of-${digits(count)}${ending}`;
  if (stem === undefined || name(no + 1) !== path) {
    const expected = `-${digits(no + 1)}-of-${digits(count)}.gguf`;
    throw new CheckpointError(
      "index",
      `${path}: this is part ${
        no + 1
      } of a model split in ${count} (split.count): expected a name that ends in ` +
        `${expected}, beside the other parts`,
    );
  }
  return Array.from({ length: count }, (_, part) => name(part + 1));
}

/**
 * Checks that opened parts are one set.
 *
 * @throws {CheckpointError} `index`
 */
export function checkParts(parts: readonly GgufHeader[], paths: readonly string[]): void {
  const fail = (part: number, message: string): never => {
    throw new CheckpointError("index", `${paths[part]}: ${message}`);
  };
  const homes = new Map<string, number>();
  for (const [part, { metadata, tensors }] of parts.entries()) {
    const no = partNumber(paths[part], metadata, "split.no", 0);
    const count = partNumber(paths[part], metadata, "split.count", 1);
    if (parts.length > 1 && (no !== part || count !== parts.length)) {
      fail(part, `split.no is ${no} and split.count ${count}: expected ${part} and ${parts.length}`);
    }
    for (const name of tensors.keys()) {
      const other = homes.get(name);
      if (other !== undefined) fail(part, `tensor "${name}" stands in ${paths[other]} as well`);
      homes.set(name, part);
    }
  }
  const stated = parts[0].metadata.get("split.tensors.count");
  if (stated !== undefined && Number(stated) !== homes.size) {
    fail(0, `split.tensors.count is ${show(stated)}, the ${parts.length} parts hold ${homes.size}`);
  }
}

function partNumber(path: string, metadata: Metadata, key: string, fallback: number): number {
  const value = Number(metadata.get(key) ?? fallback);
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 16) return value;
  throw new CheckpointError("index", `${path}: ${key} is ${show(metadata.get(key))}: expected 0 to 65535`);
}

function digits(part: number): string {
  return String(part).padStart(5, "0");
}
