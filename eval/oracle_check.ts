/**
 * How tests compare a method with its original code: perplexity on the oracle's 16 test windows, configuration by
 * configuration. `deno task test` runs a few of them; with `QUANTBOOK_ORACLE=all` (`deno task test:oracle`) all.
 */
import { assert } from "@std/assert";
import { loadModel } from "../model/load.ts";
import { quantize } from "../quant/quantize.ts";
import type { Scheme } from "../quant/scheme.ts";
import { compareWithOracle, oracle, oracleWindows } from "./oracle.ts";
import { perplexity } from "./perplexity.ts";

/** What {@linkcode checkAgainstOracle} compares. */
export interface OracleCheck {
  /** Largest relative difference of perplexity. */
  readonly tolerance: number;
  /** Ids that the quick suite runs; the others only run with `QUANTBOOK_ORACLE=all`. */
  readonly quick: readonly string[];
  /** Ids for which another bound holds, with the reason beside them in the test. */
  readonly bounds?: Readonly<Record<string, number>>;
  /** Ids that are known not to agree, and what is known about it: their difference is printed and nothing is claimed. */
  readonly disagreeing?: Readonly<Record<string, string>>;
}

/** Compares every scheme that the oracle has a perplexity for, one test step each. */
export async function checkAgainstOracle(
  t: Deno.TestContext,
  model: string,
  schemes: ReadonlyMap<string, Scheme>,
  { tolerance, quick, bounds = {}, disagreeing = {} }: OracleCheck,
): Promise<void> {
  const all = Deno.env.get("QUANTBOOK_ORACLE") === "all";
  const calibration = await oracleWindows("calib");
  const windows = await oracleWindows("test");
  using float = await loadModel(`fixture:${model}`);
  let compared = 0;
  for (const [id, scheme] of schemes) {
    if (!all && !quick.includes(id)) continue;
    const expected = await oracle(model, id).catch(() => null);
    if (typeof expected?.ppl !== "number") continue;
    if (Object.hasOwn(disagreeing, id)) {
      using quantized = await quantize(float, scheme, { calibration });
      const { relative } = compareWithOracle(await perplexity(quantized, windows), expected, tolerance);
      console.log(`${model} ${id} does not agree (${(100 * relative).toFixed(2)}%): ${disagreeing[id]}`);
      continue;
    }
    compared++;
    await t.step(id, async () => {
      using quantized = await quantize(float, scheme, { calibration });
      const measured = await perplexity(quantized, windows);
      const { agrees, relative, standardErrors } = compareWithOracle(
        measured,
        expected,
        bounds[id] ?? tolerance,
      );
      assert(
        agrees,
        `${model} ${id}: ${measured.value}, original ${expected.ppl}: ${relative} relative, ${standardErrors} standard errors`,
      );
    });
  }
  assert(compared > 0, `the oracle of ${model} has none of ${[...schemes.keys()].join(", ")}`);
}
