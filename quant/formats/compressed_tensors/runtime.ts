/** What files of compressed-tensors say of inputs and caches, with the static scales that lie beside the weights. */
import type { Checkpoint } from "../../../model/checkpoint/checkpoint.ts";
import { floatsOf, type InputRule, present, rawOf, refuse, type RuntimeScheme } from "../source.ts";
import type { Settings } from "./settings.ts";

/** Endings of tensors that belong to inputs. */
const inputEndings = [".input_scale", ".input_zero_point", ".input_global_scale", ".input_g_idx"];

/**
 * Rules of inputs and caches, and the tensors that they were read from.
 *
 * @throws {CheckpointError} `config` where the settings need a tensor that is not there
 */
export async function readRuntime(
  checkpoint: Checkpoint,
  settings: Settings,
  modules: readonly string[],
): Promise<{ runtime?: RuntimeScheme; tensors: string[] }> {
  const inputs = new Map<string, InputRule>(), tensors: string[] = [];
  for (const module of modules) {
    const rule = settings.groupOf(module)?.inputs ?? null, own = present(checkpoint, module, inputEndings);
    tensors.push(...own);
    if (rule !== null) inputs.set(module, await inputRule(checkpoint, module, rule));
  }
  const cache = settings.cache === null ? undefined : await cacheRule(checkpoint, settings.cache, tensors);
  if (inputs.size === 0 && cache === undefined) return { tensors };
  return { runtime: { inputs, cache }, tensors };
}

async function scalar(checkpoint: Checkpoint, name: string): Promise<number> {
  const values = await floatsOf(checkpoint, name);
  if (values.length !== 1) refuse(checkpoint, `"${name}" has ${values.length} values: expected one`);
  return values[0];
}

async function inputRule(
  checkpoint: Checkpoint,
  module: string,
  settings: InputRule["settings"],
): Promise<InputRule> {
  if (settings.dynamic === true) return { settings };
  const name = `${module}.${settings.dynamic === "local" ? "input_global_scale" : "input_scale"}`;
  if (!checkpoint.has(name)) {
    refuse(checkpoint, `inputs of ${module} have a static range, but there is no tensor "${name}"`);
  }
  const scale = await scalar(checkpoint, name), zeroName = `${module}.input_zero_point`;
  if (!checkpoint.has(zeroName)) return { settings, scale };
  const { data } = await rawOf(checkpoint, zeroName, ["I8", "I32"]);
  return { settings, scale, zero: Number(data[0]) };
}

async function cacheRule(
  checkpoint: Checkpoint,
  settings: InputRule["settings"],
  tensors: string[],
): Promise<RuntimeScheme["cache"]> {
  const scales = new Map<number, readonly [number, number]>();
  for (const name of checkpoint.names().filter((one) => one.endsWith(".k_scale"))) {
    const layer = Number(/\.(\d+)\./.exec(name)?.[1] ?? NaN), other = name.replace(/k_scale$/, "v_scale");
    if (Number.isNaN(layer)) refuse(checkpoint, `"${name}" names no layer`);
    scales.set(layer, [await scalar(checkpoint, name), await scalar(checkpoint, other)]);
    tensors.push(name, other);
  }
  return { settings, scales };
}
