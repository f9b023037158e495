/**
 * The multiple-choice knapsack, exactly: one choice of each group, the least cost in all within a budget of bytes.
 *
 * States (bytes, cost) go through the groups in order; of two states the one that is no smaller and no better is dropped (G. Nemhauser and
 * Z. Ullmann, "Discrete dynamic programming and capital allocation", Management Science 15, 1969), and so is one from which not even
 * Lagrange's relaxation of the groups to come reaches the cost of a solution that is known (H. Everett, "Generalized Lagrange multiplier
 * method", Operations Research 11, 1963). Neither can drop all of the best.
 */
import { show } from "../../base/show.ts";
import { AdvisorError } from "./error.ts";

/** A choice of a group. */
export interface Choice {
  /** Bytes that it takes. */
  readonly bytes: number;
  /** What it costs, in any unit that may be added up. */
  readonly cost: number;
}

/** One choice of each group. */
export interface Allocation {
  /** Index of the choice in each group. */
  readonly choices: readonly number[];
  /** Bytes of all. */
  readonly bytes: number;
  /** Cost of all, added up in the order of the groups. */
  readonly cost: number;
}

interface Option extends Choice {
  readonly index: number;
}

interface State extends Choice {
  /** The last choice, and the state that it was made in; null before the first. */
  readonly last: { readonly index: number; readonly before: State } | null;
}

/**
 * The choices with the least cost among all whose bytes are within the budget; of equal costs, those with the fewest bytes. Null where
 * even the smallest choices are beyond it.
 *
 * @throws {AdvisorError} `option`, when a group is empty or a number is none
 *
 * @example
 * ```ts
 * import { allocate } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = [{ bytes: 2, cost: 9 }, { bytes: 4, cost: 1 }];
 * // A greedy choice would spend all on the second layer's first step.
 * const found = allocate([layer, [{ bytes: 2, cost: 9 }, { bytes: 3, cost: 4 }]], 6);
 * assertEquals(found, { choices: [1, 0], bytes: 6, cost: 10 });
 * ```
 */
export function allocate(groups: readonly (readonly Choice[])[], budget: number): Allocation | null {
  requireNumbers(groups, budget);
  const options = groups.map(undominated), least = suffixSums(options, ([smallest]) => smallest.bytes);
  if (least[0] > budget) return null;
  const { multiplier, known } = relax(options, budget);
  const relaxed = suffixSums(options, (group) => Math.min(...group.map((one) => priced(one, multiplier))));
  // Sums of n terms are off by n * 2^-53 of their terms at most: far less than this share of all that is added.
  const slack = 1e-9 * (multiplier * budget + options.reduce(
    (sum, group) => sum + Math.max(...group.map((one) => Math.abs(one.cost) + multiplier * one.bytes)),
    0,
  ));
  let states: State[] = [{ bytes: 0, cost: 0, last: null }];
  for (const [g, group] of options.entries()) {
    const next: State[] = [];
    for (const before of states) {
      for (const { index, ...choice } of group) {
        const bytes = before.bytes + choice.bytes, cost = before.cost + choice.cost;
        if (bytes + least[g + 1] > budget) break;
        const bound = cost + relaxed[g + 1] - multiplier * (budget - bytes);
        if (bound <= known + slack) next.push({ bytes, cost, last: { index, before } });
      }
    }
    states = onlyBetter(next);
  }
  const best = states.at(-1);
  if (best === undefined) throw new Error("allocate: the known solution was dropped");
  const choices: number[] = [];
  for (let { last } = best; last !== null; { last } = last.before) choices.push(last.index);
  return { choices: choices.reverse(), bytes: best.bytes, cost: best.cost };
}

const priced = ({ bytes, cost }: Choice, multiplier: number) => cost + multiplier * bytes;

/** By bytes, each with a lower cost than all before it. Sums keep the order of their terms, rounded or not: nothing of the best is lost. */
function onlyBetter<T extends Choice>(all: T[]): T[] {
  let lowest = Infinity;
  return all.sort((a, b) => a.bytes - b.bytes || a.cost - b.cost).filter(({ cost }) => {
    if (cost >= lowest) return false;
    lowest = cost;
    return true;
  });
}

function undominated(group: readonly Choice[]): Option[] {
  return onlyBetter(group.map(({ bytes, cost }, index) => ({ bytes, cost, index })));
}

/** Sums of a value over all groups from each one on; 0 behind the last. */
function suffixSums(groups: readonly Option[][], value: (group: Option[]) => number): number[] {
  const sums = new Array<number>(groups.length + 1).fill(0);
  for (let g = groups.length - 1; g >= 0; g--) sums[g] = sums[g + 1] + value(groups[g]);
  return sums;
}

/** The least price of a byte at which all groups' cheapest choices fit, and the cost of a solution that follows from them. */
function relax(groups: readonly Option[][], budget: number): { multiplier: number; known: number } {
  const slopes = groups.flatMap((group) =>
    group.flatMap((small, i) =>
      group.slice(i + 1).map((large) => (small.cost - large.cost) / (large.bytes - small.bytes))
    )
  );
  const prices = [0, ...slopes.sort((a, b) => a - b)];
  const cheapest = (price: number) =>
    groups.map((group) => group.reduce((best, one) => priced(one, price) < priced(best, price) ? one : best));
  const total = (chosen: readonly Option[]) => chosen.reduce((sum, { bytes }) => sum + bytes, 0);
  let low = 0, high = prices.length - 1;
  while (low < high) {
    const middle = low + high >> 1;
    if (total(cheapest(prices[middle])) <= budget) high = middle;
    else low = middle + 1;
  }
  const found = cheapest(prices[low]), fits = total(found) <= budget;
  // Rounding may leave a choice above the highest price: the smallest ones fit.
  const chosen = fits ? found : groups.map(([smallest]) => smallest);
  let left = budget - total(chosen);
  for (const [g, group] of groups.entries()) {
    const better = group.findLast(({ bytes, cost }) =>
      bytes - chosen[g].bytes <= left && cost <= chosen[g].cost
    );
    if (better === undefined) continue;
    left -= better.bytes - chosen[g].bytes;
    chosen[g] = better;
  }
  return { multiplier: prices[low], known: chosen.reduce((sum, { cost }) => sum + cost, 0) };
}

function requireNumbers(groups: readonly (readonly Choice[])[], budget: number): void {
  if (!Number.isFinite(budget)) {
    throw new AdvisorError("option", `budget is ${show(budget)}: expected a number`);
  }
  for (const [g, group] of groups.entries()) {
    if (group.length === 0) {
      throw new AdvisorError("option", `groups[${g}] is empty: expected at least one choice`);
    }
    for (const [i, { bytes, cost }] of group.entries()) {
      const name = `groups[${g}][${i}]`;
      if (!(Number.isFinite(bytes) && bytes >= 0)) {
        throw new AdvisorError("option", `${name}.bytes is ${show(bytes)}: expected a number from 0`);
      }
      if (!Number.isFinite(cost)) {
        throw new AdvisorError("option", `${name}.cost is ${show(cost)}: expected a finite number`);
      }
    }
  }
}
