/** Which cells of a sweep a process measures. */
import { type PlannedCell, SweepError } from "./manifest.ts";

/** One of `count` parts. */
export interface Shard {
  /** From 0, as job arrays and indexed jobs count. */
  readonly index: number;
  /** All parts together are the sweep. */
  readonly count: number;
}

/**
 * Reads `"i/n"`, with `i` from 0 to `n - 1`.
 *
 * @throws {SweepError} `shard`
 */
export function parseShard(text: string): Shard {
  const [, index, count] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []).map(Number);
  if (index < count) return { index, count };
  throw new SweepError("shard", `shard is ${JSON.stringify(text)}: expected i/n with i from 0 to n - 1`);
}

/**
 * The cells of a shard. Shards are runs of neighbours, which share models, with about the same predicted time: each cell
 * belongs to the shard in which the middle of its time falls when all cells run one after the other.
 */
export function cellsOfShard(cells: readonly PlannedCell[], { index, count }: Shard): PlannedCell[] {
  const total = cells.reduce((sum, { predicted }) => sum + predicted.seconds, 0);
  let before = 0;
  return cells.filter(({ predicted }) => {
    const middle = before + predicted.seconds / 2;
    before += predicted.seconds;
    return Math.min(Math.floor(middle / total * count), count - 1) === index;
  });
}
