/**
 * The perplexities of all published tables, for the models and texts that a machine has:
 * `QUANTBOOK_MODELS=models QUANTBOOK_DATA=texts deno task sweep plan eval/claims/readme_grid.ts --out readme.jsonl`, with a
 * directory per model as the tables name it (`models/LLaMA-2-7B`), the texts `wikitext2.txt` and `c4.txt`, and for methods that
 * calibrate `calibration.txt` (the papers: C4), in place of the suite's own mix.
 */
import { environmentVariable } from "../../base/environment.ts";
import { loadClaimTables } from "./files.ts";
import { claimPlans } from "./grid.ts";
import { SweepError } from "../sweep/manifest.ts";

const [models, data] = ["QUANTBOOK_MODELS", "QUANTBOOK_DATA"].map((name) => {
  const directory = environmentVariable(name);
  if (directory !== undefined) return directory;
  throw new SweepError(
    "grid",
    `${name} is not set: expected the directory of ${name.slice(10).toLowerCase()}`,
  );
});

const claims = (await loadClaimTables()).flatMap((table) => table.claims);

/** The sweeps of the models that are there. */
export default await claimPlans(claims, models, data);
