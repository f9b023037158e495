/**
 * Times of several pieces of work that take turns in one process, so that whatever else the machine does falls on all
 * of them, and what can be concluded from such times.
 */

/** Work to time. What it returns is awaited, if it is a promise. */
export type Work = () => unknown;

/** Shortest time of a sample: far above the resolution of the clock and the cost of a call. */
const sampleSeconds = 2e-3;

/** How often a piece of work is repeated for one sample, after a first run that lets the compiler finish. */
export async function repetitionsOf(work: Work): Promise<number> {
  let repetitions = 1;
  for (;;) {
    const took = await timeOnce(work, repetitions);
    if (took >= sampleSeconds) return repetitions;
    repetitions *= Math.max(2, Math.min(10, Math.ceil(1.2 * sampleSeconds / Math.max(took, 1e-7))));
  }
}

/** Seconds of `repetitions` runs in a row. */
export async function timeOnce(work: Work, repetitions: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < repetitions; i++) {
    const result = work();
    if (result instanceof Promise) await result;
  }
  return (performance.now() - start) / 1000;
}

/**
 * Seconds of one run of each piece of work, `rounds` times: `times[i][round]`. In a round each takes its turn, every
 * other round in the opposite order.
 */
export async function measureInTurns(works: readonly Work[], rounds: number): Promise<number[][]> {
  const repetitions: number[] = [];
  for (const work of works) repetitions.push(await repetitionsOf(work));
  const times: number[][] = works.map(() => []);
  const order = works.map((_, i) => i);
  for (let round = 0; round < rounds; round++) {
    for (const i of order) times[i].push(await timeOnce(works[i], repetitions[i]) / repetitions[i]);
    order.reverse();
  }
  return times;
}

/** The value below which a share `p` of the values lies. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b), at = p * (sorted.length - 1), below = Math.floor(at);
  return sorted[below] + (at - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
}

/** Median and the band that holds 80% of the values. */
export interface Band {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** The {@linkcode Band} of some values. */
export function bandOf(values: readonly number[]): Band {
  return { median: quantile(values, 0.5), low: quantile(values, 0.1), high: quantile(values, 0.9) };
}

/**
 * The median and an interval that holds the true one with probability 99.9% or more, whatever the distribution (from
 * order statistics: the number of values below the true median is binomial). The whole line for fewer than 11 values.
 */
export function medianInterval(values: readonly number[]): Band {
  const sorted = values.toSorted((a, b) => a - b), n = sorted.length;
  let skip = 0;
  // P(fewer than `skip + 1` of n fair coins are heads), by its terms.
  for (let term = 2 ** -n, below = term; below <= 0.0005 && skip < n / 2; below += term) {
    skip++;
    term *= (n - skip + 1) / skip;
  }
  return {
    median: quantile(sorted, 0.5),
    low: skip === 0 ? -Infinity : sorted[skip - 1],
    high: skip === 0 ? Infinity : sorted[n - skip],
  };
}

/** The exponent `b` of `y = a x^b`, by least squares on logarithms. */
export function fittedExponent(xs: readonly number[], ys: readonly number[]): number {
  const [u, v] = [xs.map(Math.log), ys.map(Math.log)];
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value) / list.length;
  const [mu, mv] = [mean(u), mean(v)];
  let over = 0, under = 0;
  for (let i = 0; i < u.length; i++) {
    over += (u[i] - mu) * (v[i] - mv);
    under += (u[i] - mu) ** 2;
  }
  return over / under;
}
