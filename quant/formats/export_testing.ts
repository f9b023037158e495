/** Support of the tests of exports: models quantized by several schemes, written once and read back. */
import { assert } from "@std/assert";
import { oracleWindows } from "../../eval/oracle.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { type ExportFormat, exportModel } from "./export.ts";
import { gptq } from "../methods/gptq.ts";
import { quantize } from "../quantize.ts";
import { rtn } from "../methods/rtn.ts";
import type { Scheme } from "../scheme.ts";
import { smoothQuant } from "../methods/smoothquant.ts";

export const calibration = (await oracleWindows("calib")).slice(0, 2).map((ids) => ids.slice(0, 128));

export const ids = (await oracleWindows("test"))[0].slice(0, 48);

export const schemes: Record<string, Scheme> = {
  symmetric: { weights: rtn({ bits: 4, groupSize: 32, symmetric: true }) },
  asymmetric: { weights: rtn({ bits: 4, groupSize: 64, symmetric: false }) },
  eight: { weights: rtn({ bits: 8, groupSize: -1, symmetric: true }) },
  ordered: { weights: gptq({ bits: 4, groupSize: 32, actOrder: true }) },
  smoothed: { transforms: [smoothQuant()], weights: rtn({ bits: 8, groupSize: 32, symmetric: false }) },
};

export const base = await loadModel("fixture:llama");

const made = new Map<string, Promise<Model>>();

/** The fixture quantized by a scheme, once for all tests. */
export function quantizedBy(label: string): Promise<Model> {
  const found = made.get(label) ?? quantize(base, schemes[label], { calibration });
  made.set(label, found);
  return found;
}

export async function exported(
  model: Model,
  format: ExportFormat,
  check: (file: string, directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await check(await exportModel(model, directory, { format, metrics: { perplexity: 12.5 } }), directory);
    assert((await Deno.readTextFile(`${directory}/README.md`)).includes("| perplexity | 12.5 |"));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
