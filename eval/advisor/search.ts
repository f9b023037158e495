/** Mixtures that a score asks for: the nearest to the float model within a budget, and the smallest within a divergence. */
import { allocate } from "./allocate.ts";
import { AdvisorError } from "./error.ts";
import { schemeOfAssignments } from "./mixture.ts";
import type { Entrant, Run } from "./run.ts";
import type { ScoreName, Sensitivity } from "./scores/sensitivity.ts";

/** What each part may have: a list of choices for every linear layer and end. */
export type Groups = readonly (readonly Sensitivity[])[];

/**
 * The mixture of the least score within a budget, measured; null where nothing fits. Where bytes depend on what a layer sees, the budget of
 * the next try is less by the excess.
 *
 * @param rest bytes of all that has no choice
 */
export async function mixtureWithin(
  run: Run,
  groups: Groups,
  score: ScoreName,
  budget: number,
  rest: number,
): Promise<Entrant | null> {
  const choices = groups.map((group) =>
    group.map(({ bytes, scores }) => ({ bytes, cost: costOf(scores, score) }))
  );
  let left = budget - rest;
  for (let attempt = 0; attempt < 8; attempt++) {
    const found = allocate(choices, left);
    if (found === null) return null;
    const scheme = schemeOfAssignments(found.choices.map((choice, place) => groups[place][choice]));
    const entrant = await run.measured(scheme);
    if (entrant.bytes <= budget) return entrant;
    left -= entrant.bytes - budget;
  }
  return null;
}

function costOf(scores: Sensitivity["scores"], score: ScoreName): number {
  const cost = scores[score];
  if (cost === undefined) throw new AdvisorError("option", `scores have no ${score}: expected it computed`);
  return cost;
}

/** A search ends where what is left of it is less than this share of the bytes. */
const precision = 0.002;

/**
 * The smallest mixture that a score leads to whose divergence on the scoring text, with its upper limit, is within a bound, measured; null
 * where there is none with fewer bytes than `below`. Budgets are halved between what is too coarse and what is fine enough: a divergence that
 * does not fall with every byte may hide a smaller one.
 */
export async function smallestWithin(
  run: Run,
  groups: Groups,
  score: ScoreName,
  bound: number,
  { rest, below }: { readonly rest: number; readonly below: number },
): Promise<Entrant | null> {
  const least = groups.reduce((sum, group) => sum + Math.min(...group.map(({ bytes }) => bytes)), rest);
  let coarse = least, found: Entrant | null = null;
  let fine = Math.floor(below * (1 - precision));
  for (let budget = fine; budget >= least;) {
    const one = await mixtureWithin(run, groups, score, budget, rest);
    if (one !== null && one.seenLimit <= bound) {
      found = one;
      fine = one.bytes;
    } else if (found === null) return null;
    else coarse = budget;
    if (fine - coarse <= precision * fine) break;
    budget = Math.floor((coarse + fine) / 2);
  }
  return found;
}
