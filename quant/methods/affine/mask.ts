/** The gradual mask of AffineQuant. */

/**
 * What entries of a matrix `[size, size]` count in an epoch of so many: 1 on the diagonal, `stability` in the band that is open, 0 beyond.
 * The band is the diagonal in the first epoch and all in the last; with fewer than two epochs it is all.
 */
export function bandMask(size: number, epoch: number, epochs: number, stability: number): Float32Array {
  const band = epochs < 2 ? size : Math.floor((size - 1) / (epochs - 1) * epoch) + 1;
  const mask = new Float32Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      const off = Math.abs(i - j);
      if (off < band) mask[i * size + j] = off === 0 ? 1 : stability;
    }
  }
  return mask;
}
