/** Standard errors and tests of differences: what separates a finding from the luck of the draw. */

/**
 * Standard error of a mean over several tasks, from their own (lm-evaluation-harness: pooled sample variance).
 *
 * @param errors standard error of each task
 * @param sizes examples of each task
 */
export function pooledStandardError(errors: readonly number[], sizes: readonly number[]): number {
  const all = sizes.reduce((sum, n) => sum + n, 0);
  const squares = errors.reduce((sum, error, i) => sum + (sizes[i] - 1) * sizes[i] * error ** 2, 0);
  return Math.sqrt(squares / (all - sizes.length) / all);
}
