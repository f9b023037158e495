/** The `quantization_config` of compressed-tensors: groups of modules, what they are matched by, how their numbers are rounded. */
import { isJsonObject, type JsonObject } from "../../../base/json.ts";
import { show } from "../../../base/show.ts";
import { ModelConfig } from "../../../model/checkpoint/config.ts";
import { CheckpointError } from "../../../model/files/error.ts";
import { fieldNotices } from "../source.ts";

/** How weights are rounded (`QuantizationArgs`). */
export interface WeightSettings {
  /** Bits of a code. */
  readonly bits: number;
  /** Integers or floats. */
  readonly type: "int" | "float";
  /** Whether zero points are the middle. */
  readonly symmetric: boolean;
  /** What shares a scale. */
  readonly strategy: "tensor" | "channel" | "group" | "block" | "tensor_group";
  /** Inputs that share a scale, by groups. */
  readonly groupSize: number | null;
  /** Rows and columns that share a scale, by blocks. */
  readonly block: readonly [rows: number, columns: number] | null;
}

/** Modules that are quantized alike. */
export interface Group {
  /** The layout of their tensors. */
  readonly format: string;
  /** Their weights; null where only activations are rounded. */
  readonly weights: WeightSettings | null;
  /** How their inputs are rounded, as the file has it; null where they are not. */
  readonly inputs: JsonObject | null;
}

/** All settings. */
export interface Settings {
  /** The group of a linear layer; null where none is meant. `named`: only where it is meant by its name. */
  groupOf(module: string, named?: boolean): Group | null;
  /** How keys and values are rounded, as the file has it; null where they are not. */
  readonly cache: JsonObject | null;
  /** The layout of sparse weights; null where they are not. */
  readonly sparsity: string | null;
  /** What was not used, in sentences. */
  readonly notices: readonly string[];
}

const fields = {
  used: [
    ...["quant_method", "format", "config_groups", "ignore", "kv_cache_scheme", "sparsity_config"],
  ],
  // The version tells two orders of marlin-24 apart.
  harmless: ["global_compression_ratio", "version"],
  refused: { quantization_status: ["compressed"], transform_config: [{}] },
};
const sparsityFields = {
  used: ["format"],
  harmless: [
    ...["global_sparsity", "ignore", "registry_requires_subclass", "sparsity_structure", "targets"],
  ],
};
const groupFields = {
  used: ["targets", "weights", "input_activations", "format"],
  refused: { output_activations: [] },
};
const weightFields = {
  used: ["num_bits", "type", "symmetric", "strategy", "group_size", "block_structure"],
  // Of activation order only the index of groups is left, which is a tensor.
  harmless: ["actorder", "observer", "observer_kwargs", "scale_dtype", "zp_dtype"],
  refused: { dynamic: [false] },
};

/** Classes of modules that are linear layers. */
const linear = "Linear";

/**
 * Reads the settings.
 *
 * @throws {CheckpointError} `config` naming the key
 */
export function settingsOf(config: ModelConfig): Settings {
  const notices = fieldNotices(config, fields);
  const groups = config.section("config_groups"), entries: { targets: string[]; group: Group }[] = [];
  for (const name of Object.keys(groups?.values ?? {})) {
    const own = groups?.section(name);
    if (own === undefined) return groups?.fail(name, "an object") as never;
    notices.push(...fieldNotices(own, groupFields));
    const weights = own.section("weights");
    if (weights !== undefined) notices.push(...fieldNotices(weights, weightFields));
    const inputs = own.section("input_activations")?.values ?? null;
    entries.push({
      targets: patterns(own, "targets"),
      group: { format: formatOf(config, own), weights: weights ? weightSettings(weights) : null, inputs },
    });
  }
  const ignored = patterns(config, "ignore"), sparsity = config.section("sparsity_config");
  if (sparsity !== undefined) notices.push(...fieldNotices(sparsity, sparsityFields));
  return {
    notices,
    cache: config.section("kv_cache_scheme")?.values ?? null,
    sparsity: sparsity?.has("format") ? sparsity.string("format") : null,
    groupOf(module, named = false) {
      if (ignored.some((pattern) => matches(pattern, module))) return null;
      // Names go before patterns, patterns before classes.
      const find = (which: (target: string) => boolean) =>
        entries.find(({ targets }) => targets.some(which))?.group;
      return find((target) => target === module) ??
        find((target) => target.startsWith("re:") && matches(target, module)) ??
        (named ? null : find((target) => target === linear)) ?? null;
    },
  };
}

function formatOf(config: ModelConfig, group: ModelConfig): string {
  if (group.has("format")) return group.string("format");
  const format = config.string("format");
  if (format === "mixed-precision") {
    group.fail("format", `a string, as the format of all is "mixed-precision"`);
  }
  return format;
}

/** Names, classes and `re:` patterns. */
function patterns(config: ModelConfig, key: string): string[] {
  return (config.list(key) ?? []).map((pattern) => {
    if (typeof pattern !== "string") return config.fail(key, "a list of strings");
    if (!pattern.startsWith("re:")) return pattern;
    try {
      new RegExp(pattern.slice(3));
    } catch {
      throw new CheckpointError(
        "config",
        `${config.source}: ${key} has ${show(pattern)}: expected a pattern`,
      );
    }
    return pattern;
  });
}

/** Whether a name is meant; patterns match from its beginning on. */
function matches(pattern: string, name: string): boolean {
  return pattern.startsWith("re:") ? new RegExp(`^(?:${pattern.slice(3)})`).test(name) : pattern === name;
}

function weightSettings(config: ModelConfig): WeightSettings {
  const type = config.string("type", { fallback: "int", accepted: ["int", "float"] }) as "int" | "float";
  const strategies = ["tensor", "channel", "group", "block", "tensor_group"] as const;
  const groupSize = config.has("group_size") && config.number("group_size") !== -1
    ? config.integer("group_size")
    : null;
  const strategy = config.string("strategy", {
    fallback: groupSize === null ? "tensor" : "group",
    accepted: strategies,
  }) as WeightSettings["strategy"];
  const grouped = strategy === "group" || strategy === "tensor_group";
  if (grouped && groupSize === null) {
    config.fail("group_size", `an integer from 1 with strategy "${strategy}"`);
  }
  return {
    bits: config.integer("num_bits", { fallback: 8, min: 2, max: 8 }),
    type,
    symmetric: config.boolean("symmetric", true),
    strategy,
    groupSize: grouped ? groupSize : null,
    block: strategy === "block" ? blockOf(config) : null,
  };
}

function blockOf(config: ModelConfig): readonly [number, number] {
  const block = config.list("block_structure") ?? [], [rows, columns] = block;
  const isSize = (size: unknown): size is number => Number.isInteger(size) && Number(size) > 0;
  if (block.length !== 2 || !isSize(rows) || !isSize(columns)) {
    return config.fail("block_structure", "two integers from 1");
  }
  return [rows, columns];
}

/** Whether two settings are one, key order aside. */
export function textOf(value: unknown): string {
  if (!isJsonObject(value)) return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${key}:${textOf(value[key])}`).join()}}`;
}
