/**
 * Models and data sets by their name on the Hugging Face hub, in the cache that Python's `huggingface_hub` uses too. Any number of
 * processes of either kind may load one model at once; one that is killed leaves nothing that another takes for whole.
 *
 * The environment's variables are those of Python, see `hub/settings.ts`.
 */
import { HubError } from "./hub/error.ts";
import { type HubOptions, snapshot } from "./hub/snapshot.ts";
import { datasetFiles, modelFiles } from "./hub/wanted.ts";

export type { HubOptions } from "./hub/snapshot.ts";
export { isHubName } from "./hub/names.ts";

/**
 * The directory of a model's files in the cache, downloaded where they are missing.
 *
 * @throws {HubError} see its codes
 */
export async function hubDirectory(model: string, options: HubOptions = {}): Promise<string> {
  const { directory } = await snapshot({ type: "model", name: model }, "main", modelFiles(model), options);
  return directory;
}

/** Part of a data set. */
export interface DatasetPart {
  /** Name on the hub: `allenai/ai2_arc`. */
  readonly name: string;
  /** Its configuration: `ARC-Easy`. */
  readonly config: string;
  /** `train`, `validation` or `test`. */
  readonly split: string;
}

/**
 * The Parquet files of a part of a data set in the cache, in their order, downloaded where they are missing.
 *
 * @throws {HubError} see its codes
 */
export async function hubDataset(
  { name, config, split }: DatasetPart,
  options: HubOptions = {},
): Promise<string[]> {
  for (const part of [config, split]) {
    if (!/^[\w][\w.-]*$/.test(part)) throw new HubError("missing", `${name} has no part ${part}`);
  }
  const wanted = datasetFiles(name, `${config}/${split}`);
  const { directory, paths } = await snapshot(
    { type: "dataset", name },
    "refs/convert/parquet",
    wanted,
    options,
  );
  return paths.map((path) => `${directory}/${path}`);
}
