/**
 * A scheme as a short text: `transforms=smoothQuant:0.55 weights=rtn:6 activations=rtn:6,granularity=token kv=kivi:4`. Entries stand
 * between blanks (or `;`):
 *
 * - `PART=METHOD...`: a part of the scheme, `float` for one that stays as it is in an override;
 * - `transforms=A+B`: rewrites, in order;
 * - `head.weights=...`, `head.activations=...`; `head=` is its weights;
 * - `@0-2,5.q.k(weights=rtn:8)`: what some layers do otherwise (`@*` for all), of some linear layers (after dots; all without);
 * - `float` alone: nothing is quantized.
 */
import { didYouMean } from "../../base/nearest.ts";
import { parseJson, readNumbers } from "../../base/json.ts";
import { SchemeError } from "../error.ts";
import type { SchemePart } from "../method.ts";
import type { Tagged } from "../options.ts";
import { methodOf } from "../registry.ts";
import { headOf, operandSites, type Override, parseScheme, type Scheme } from "../scheme.ts";
import { readPart, writePart } from "./part.ts";
import { cutOutside, insideBrackets, splitOutside } from "./split.ts";

/** Parts of a scheme that hold one method. */
const single = ["sparsity", "weights", ...operandSites, "kv", "linears", "embedding"] as const;
/** All names that may stand before `=`. */
const names = ["transforms", ...single, "head", "head.weights", "head.activations"];

/**
 * The scheme that a text means, all defaults filled in: the notation above, or JSON.
 *
 * @throws {SchemeError} `notation`, and as {@linkcode parseScheme}
 *
 * @example
 * ```ts
 * import { gptq, kivi } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readScheme("weights=gptq:4:g128,actOrder kv=kivi:2"), {
 *   weights: gptq({ bits: 4, groupSize: 128, actOrder: true }),
 *   kv: kivi({ bits: 2 }),
 * });
 * ```
 */
export function readScheme(text: string): Scheme {
  const trimmed = text.trim();
  return parseScheme(trimmed.startsWith("{") ? readJson(trimmed) : readEntries(trimmed));
}

function readJson(text: string): unknown {
  try {
    parseJson(text);
    return readNumbers(text);
  } catch (cause) {
    throw new SchemeError("notation", `the scheme is ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}

function readEntries(text: string): Record<string, unknown> {
  const entries = splitOutside(text, " \t\r\n;").filter((one) => one !== "");
  if (entries.length === 0) {
    throw new SchemeError("notation", `a scheme is missing: expected such as weights=rtn:4, or float`);
  }
  const scheme: Record<string, unknown> = {};
  if (text === "float") return scheme;
  const set = (name: string, value: unknown) => {
    if (Object.hasOwn(scheme, name)) throw new SchemeError("option", `${name} is given twice`);
    scheme[name] = value;
  };
  const overrides: unknown[] = [], head: Record<string, unknown> = {};
  for (const entry of entries) {
    if (entry.startsWith("@")) {
      overrides.push(readOverride(entry));
      continue;
    }
    const cut = cutOutside(entry, "=");
    if (cut === null) {
      const found = didYouMean(entry, names);
      throw new SchemeError(
        "notation",
        `${entry} names no part${found || `: expected such as weights=${entry}`}`,
      );
    }
    const [name, value] = cut;
    if (name === "transforms") set(name, value === "" ? [] : splitOutside(value, "+").map(readPart));
    else if (name === "head" && value === "()") set(name, {});
    else if (name === "head" || name === "head.weights") {
      if (Object.hasOwn(head, "weights")) throw new SchemeError("option", "head.weights is given twice");
      head.weights = readPart(value);
    } else if (name === "head.activations") {
      if (Object.hasOwn(head, "activations")) throw new SchemeError("option", `${name} is given twice`);
      head.activations = readPart(value);
    } else if (single.some((one) => one === name)) set(name, readPart(value));
    else {
      const hint = didYouMean(name, names) || `: expected one of ${names.join(", ")}`;
      throw new SchemeError("option", `a scheme has no part ${JSON.stringify(name)}${hint}`);
    }
  }
  if (Object.keys(head).length > 0) set("head", head);
  if (overrides.length > 0) set("overrides", overrides);
  return scheme;
}

function readOverride(entry: string): unknown {
  const open = entry.indexOf("("), inside = open < 0 ? null : insideBrackets(entry.slice(open));
  if (inside === null) {
    throw new SchemeError(
      "notation",
      `${entry} says nothing: expected such as ${entry.replace(/\(.*/s, "")}(weights=rtn:8)`,
    );
  }
  const [layers, ...linears] = entry.slice(1, open).split(".");
  const parts = splitOutside(inside, " \t\r\n;").filter((one) => one !== "").map((one) => {
    const cut = cutOutside(one, "=");
    if (cut === null) {
      throw new SchemeError("notation", `${one} in ${entry} names no part: expected such as weights=${one}`);
    }
    return [cut[0], cut[1] === "float" ? "float" : readPart(cut[1])] as const;
  });
  return {
    ...layers !== "*" && { layers: readLayers(layers, entry) },
    ...linears.length > 0 && { linears: linears.filter((one) => one !== "") },
    ...Object.fromEntries(parts),
  };
}

function readLayers(text: string, entry: string): number[] {
  return text.split(",").filter((one) => one !== "").flatMap((range) => {
    const found = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(range);
    if (found === null) {
      throw new SchemeError("notation", `${range} in ${entry} is no layer: expected such as 3, 0-2 or *`);
    }
    const first = Number(found[1]), last = Number(found[2] ?? found[1]);
    if (last < first) throw new SchemeError("notation", `${range} in ${entry} runs backwards`);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/**
 * The short text of a scheme: {@linkcode readScheme} gives the same scheme back.
 *
 * @throws {SchemeError} as {@linkcode parseScheme}
 *
 * @example
 * ```ts
 * import { kivi, rtn, smoothQuant } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme = { transforms: [smoothQuant({ alpha: 0.55 })], weights: rtn({ bits: 6 }), kv: kivi({ bits: 4 }) };
 * assertEquals(writeScheme(scheme), "transforms=smoothQuant:0.55 weights=rtn:6 kv=kivi:4");
 * ```
 */
export function writeScheme(scheme: Scheme): string {
  const checked = parseScheme(scheme), entries: string[] = [];
  const { transforms, overrides = [], head } = checked;
  if (transforms !== undefined) {
    entries.push(`transforms=${transforms.map((one) => write(one, "transform")).join("+")}`);
  }
  for (const name of single) {
    const part = checked[name];
    if (part !== undefined) entries.push(`${name}=${write(part, partOf(name))}`);
  }
  if (head !== undefined) {
    const { weights, activations } = headOf(checked);
    if (weights) entries.push(`head.weights=${write(weights, "weights")}`);
    if (activations) entries.push(`head.activations=${write(activations, "operand")}`);
    if (!weights && !activations) entries.push("head=()");
  }
  return [...entries, ...overrides.map(writeOverride)].join(" ") || "float";
}

function partOf(name: typeof single[number]): SchemePart {
  if (name === "weights" || name === "embedding") return "weights";
  return name === "kv" || name === "linears" || name === "sparsity" ? name : "operand";
}

const write = (scheme: Tagged, part: SchemePart) => writePart(scheme, part, methodOf(scheme));

function writeOverride({ layers, linears, ...parts }: Override): string {
  const written = (["sparsity", "weights", ...operandSites] as const).flatMap((name) => {
    const part = parts[name];
    return part === undefined ? [] : [`${name}=${part === "float" ? part : write(part, partOf(name))}`];
  });
  const where = [
    layers === undefined ? "*" : writeLayers(layers),
    ...linears?.length === 0 ? [""] : linears ?? [],
  ];
  return `@${where.join(".")}(${written.join(" ")})`;
}

function writeLayers(layers: readonly number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const layer of layers) {
    const last = runs.at(-1);
    if (last !== undefined && layer === last[1] + 1) last[1] = layer;
    else runs.push([layer, layer]);
  }
  return runs.map(([first, last]) => first === last ? String(first) : `${first}-${last}`).join(",");
}
