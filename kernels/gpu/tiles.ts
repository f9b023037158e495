/**
 * Tiles of `product.wgsl` for each kind of adapter. Bits do not depend on them: sums run in segments of 128 anyway.
 *
 * Only what has been measured differs from the default. No real GPU has been: for them the default is what product.wgsl
 * derives from its roofline, to be replaced by a row of their own (`vendor` and `architecture` of the adapter) when
 * `bench/gpu_bench.ts` has run there.
 */

import { isSoftware } from "./adapter.ts";

/** A tile of `8 lanes x 8 lanes` by `lanes x lanes` invocations, from slices of `depth`. */
export interface Tile {
  /** Invocations along a side: `8 lanes` is the side of the tile. */
  readonly lanes: number;
  /** A divisor of 128; `32 depth (2 lanes + 1)` bytes of workgroup memory, at most 16384. */
  readonly depth: number;
}

/** The tile for products of up to so many rows. */
export type Tiles = readonly { readonly rows: number; readonly tile: Tile }[];

const usual: Tiles = [{ rows: Infinity, tile: { lanes: 8, depth: 16 } }];

const kinds: readonly { readonly matches: (info: GPUAdapterInfo) => boolean; readonly tiles: Tiles }[] = [
  {
    // llvmpipe on two cores, products with a weight of 768 x 768 in turns in one process: tiles of 32 take 0.63 to 0.8 of
    // the time of those of 64 at 6 to 32 rows, 1.2 to 1.5 of it at 48 and more; no depth and no side is faster there.
    matches: (info) => isSoftware({ info }),
    tiles: [{ rows: 32, tile: { lanes: 4, depth: 16 } }, ...usual],
  },
  { matches: () => true, tiles: usual },
];

/** The tiles of an adapter. */
export function tilesOf(info: GPUAdapterInfo): Tiles {
  return kinds.find(({ matches }) => matches(info))?.tiles ?? usual;
}

/** The tile for `rows` rows, and the workgroups of a product `[rows, columns]`. */
export function tiling(
  tiles: Tiles,
  rows: number,
  columns: number,
): { constants: Record<keyof Tile, number>; groups: [number, number] } {
  const { tile } = tiles.find((one) => rows <= one.rows) ?? usual[0], side = 8 * tile.lanes;
  return { constants: { ...tile }, groups: [Math.ceil(columns / side), Math.ceil(rows / side)] };
}
