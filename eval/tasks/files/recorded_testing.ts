/** What lm-evaluation-harness 0.4.13 recorded on the fixture model, as an evaluation of ours. */
import golden from "../../../fixtures/expected/tasks/files/social_iqa.json" with { type: "json" };
import results from "../../../fixtures/expected/tasks/files/results.json" with { type: "json" };
import type { TaskResult } from "../result.ts";

const own = results.results.social_iqa;
/** The recorded evaluation as `evaluateTask` returns one. */
export const recorded: TaskResult = {
  task: "social_iqa",
  metrics: { acc: own["acc,none"] },
  standardErrors: { acc: own["acc_stderr,none"] },
  examples: golden.examples.map(({ doc_id, context, ctx_ids, requests, target }) => {
    const choices = requests.map((one) => ({
      ...{
        context,
        contextIds: ctx_ids,
        continuation: one.continuation,
        continuationIds: one.cont_ids,
        truncated: 0,
      },
      ...{ logProbability: one.logprob, isGreedy: one.is_greedy },
    }));
    const most = Math.max(...choices.map(({ logProbability }) => logProbability));
    const prediction = choices.findIndex(({ logProbability }) => logProbability === most),
      gold = Number(target);
    return {
      ...{
        kind: "choice" as const,
        id: doc_id,
        where: `social_iqa:${doc_id + 1}`,
        choices,
        prediction,
        gold,
      },
      metrics: { acc: Number(prediction === gold) },
    };
  }),
};

/** The rows that were asked. */
export const docs = golden.examples.map(({ doc }) => doc);

/** The harness' own results file. */
export { results };
