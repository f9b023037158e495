/** A quantization scheme as data: what is quantized, and how. It can be hashed, printed, stored and read back. */
import { show } from "../base/show.ts";
import { allRoles, type LinearRole } from "../model/architecture.ts";
import type { SchemePart } from "./method.ts";
import { integer, listOf, oneOf, requireKnown, type Tagged } from "./options.ts";
import {
  type KvScheme,
  type LinearsScheme,
  methodOf,
  type OperandScheme,
  type SparsityScheme,
  type TransformScheme,
  type WeightScheme,
} from "./registry.ts";
import { SchemeError } from "./error.ts";

/** What to quantize, and how. Absent parts stay in full precision. */
export interface Scheme {
  /** Function-preserving rewrites, in order, before anything is quantized. */
  readonly transforms?: readonly TransformScheme[];
  /** Which weights of these linear layers become zero; `weights` then rounds what stays, by a method that keeps the zeros. */
  readonly sparsity?: SparsityScheme;
  /** Weights of the linear layers of all decoder layers. */
  readonly weights?: WeightScheme;
  /** Inputs of these linear layers. */
  readonly activations?: OperandScheme;
  /** Keys before positions are rotated in. */
  readonly keyBeforeRotary?: OperandScheme;
  /** Operands of the attention products. */
  readonly query?: OperandScheme;
  /** Keys, positions rotated in. */
  readonly key?: OperandScheme;
  /** Values. */
  readonly value?: OperandScheme;
  /** Softmax output. */
  readonly scores?: OperandScheme;
  /** The key-value cache. */
  readonly kv?: KvScheme;
  /** Methods that own the matrix product; exclude `weights` and `activations`. */
  readonly linears?: LinearsScheme;
  /** What some layers do otherwise, in order: of two that speak of the same part, the later one counts. */
  readonly overrides?: readonly Override[];
  /** The output projection; a weight scheme alone stands for its weights. */
  readonly head?: HeadScheme | WeightScheme;
  /** The token embedding: what ids look up. Where the output projection shares its tensor, it stays float unless `head` is given. */
  readonly embedding?: WeightScheme;
}

/** Other parts for some layers, some linear layers, or some of both. */
export interface Override extends Readonly<Partial<Record<OperandSite, OperandScheme | "float">>> {
  /** Indexes of decoder layers; all when absent. */
  readonly layers?: readonly number[];
  /** Linear layers, for `weights` and `activations`; all when absent. */
  readonly linears?: readonly LinearRole[];
  /** Zeros among the weights of these linear layers. */
  readonly sparsity?: SparsityScheme | "float";
  /** Weights of these linear layers. */
  readonly weights?: WeightScheme | "float";
}

/** Parts of the output projection. */
export interface HeadScheme {
  /** Its weight `[vocabulary, hidden]`. */
  readonly weights?: WeightScheme;
  /** Its input, what the last norm gives. */
  readonly activations?: OperandScheme;
}

/** A matrix that is quantized on the fly. */
export type OperandSite = "activations" | "keyBeforeRotary" | "query" | "key" | "value" | "scores";

/** All of them. */
export const operandSites: readonly OperandSite[] = [
  "activations",
  "keyBeforeRotary",
  "query",
  "key",
  "value",
  "scores",
];

/** Which part of a {@linkcode Method} each key of a scheme needs. */
const parts = {
  transforms: "transform",
  sparsity: "sparsity",
  weights: "weights",
  activations: "operand",
  keyBeforeRotary: "operand",
  query: "operand",
  key: "operand",
  value: "operand",
  scores: "operand",
  kv: "kv",
  linears: "linears",
  embedding: "weights",
} as const satisfies Readonly<Partial<Record<keyof Scheme, SchemePart>>>;

/** What an override may say. */
const overridden = ["sparsity", "weights", ...operandSites] as const;

/**
 * Checks a scheme, for example one read from JSON, and returns it with all defaults filled in.
 *
 * @example
 * ```ts
 * import { parseScheme, rtn } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme = { weights: rtn({ bits: 4 }) };
 * assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
 * ```
 */
export function parseScheme(value: unknown): Scheme {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SchemeError("option", `scheme is ${show(value)}: expected an object`);
  }
  const scheme: Record<string, unknown> = {};
  for (const [site, part] of Object.entries(value)) {
    if (part === undefined) continue;
    scheme[site] = parseEntry(site, part);
  }
  const { overrides = [] } = scheme as Scheme;
  const products = [scheme as Scheme, ...overrides].some((one) =>
    one.sparsity !== undefined || one.weights !== undefined || one.activations !== undefined
  );
  if (scheme.linears !== undefined && products) {
    throw new SchemeError(
      "combination",
      "linears owns the matrix product: expected no sparsity, weights or activations beside it, nor in overrides",
    );
  }
  return scheme as Scheme;
}

function parseEntry(site: string, part: unknown): unknown {
  switch (site) {
    case "transforms":
      return requireList(site, part).map((one) => parsePart(site, one));
    case "overrides":
      return requireList(site, part).map((one, i) => parseOverride(`overrides[${i}]`, one));
    case "head":
      return parseHead(part);
  }
  if (Object.hasOwn(parts, site)) return parsePart(site as keyof typeof parts, part);
  const known = [...Object.keys(parts), "overrides", "head"].join(", ");
  throw new SchemeError("option", `scheme has no part ${JSON.stringify(site)}: expected ${known}`);
}

function requireList(name: string, list: unknown): unknown[] {
  if (Array.isArray(list)) return list;
  throw new SchemeError("option", `${name} is ${show(list)}: expected a list`);
}

function requireObject(name: string, value: unknown): object {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new SchemeError("option", `${name} is ${show(value)}: expected an object`);
}

function parsePart(site: keyof typeof parts, value: unknown, name: string = site): Tagged {
  const method = methodOf(value as Tagged);
  if (method[parts[site]] === undefined) {
    throw new SchemeError("combination", `${name} cannot be quantized by ${method.name}`);
  }
  return method.parse(value as Record<string, unknown>, parts[site]);
}

const layersOption = listOf(integer(0, 1 << 20));
const linearsOption = listOf(oneOf(allRoles));

function parseOverride(name: string, value: unknown): Override {
  const given: Readonly<Record<string, unknown>> = { ...requireObject(name, value) };
  requireKnown(name, given, ["layers", "linears", ...overridden]);
  const { layers, linears } = given;
  const said = overridden.filter((site) => given[site] !== undefined);
  if (said.length === 0) {
    throw new SchemeError("option", `${name} changes nothing: expected one of ${overridden.join(", ")}`);
  }
  const [attention] = said.filter((site) => !["sparsity", "weights", "activations"].includes(site));
  if (linears !== undefined && attention !== undefined) {
    throw new SchemeError(
      "option",
      `${name}: ${attention} is of no linear layer: expected no linears beside it`,
    );
  }
  return {
    ...layers !== undefined && { layers: layersOption.read(`${name}.layers`, layers) },
    ...linears !== undefined && { linears: linearsOption.read(`${name}.linears`, linears) },
    ...Object.fromEntries(said.map((site) => {
      const part = given[site];
      return [site, part === "float" ? part : parsePart(site, part, `${name}.${site}`)];
    })),
  };
}

function parseHead(value: unknown): HeadScheme {
  const given: Readonly<Record<string, unknown>> = { ...requireObject("head", value) };
  if (given.method !== undefined) return parseHead({ weights: given });
  requireKnown("head", given, ["weights", "activations"]);
  const read = (site: "weights" | "activations") =>
    given[site] !== undefined && { [site]: parsePart(site, given[site], `head.${site}`) };
  return { ...read("weights"), ...read("activations") };
}

/** A short name of a scheme for tables: `"smoothQuant W8 A8 KV2"`. */
export function describeScheme(scheme: Scheme): string {
  const bits = (part: Tagged | undefined): string =>
    part && "bits" in part ? String(part.bits) : part ? `:${part.method}` : "";
  const words = (scheme.transforms ?? []).map((one: Tagged) => one.method);
  if (scheme.linears) words.push(scheme.linears["method"]);
  if (scheme.sparsity) words.push(sparsityWords(scheme.sparsity));
  if (scheme.weights) words.push(`${(scheme.weights as Tagged).method} W${bits(scheme.weights)}`);
  if (scheme.activations) words.push(`A${bits(scheme.activations)}`);
  if (scheme.kv) words.push(`KV${bits(scheme.kv)}`);
  for (const site of operandSites.slice(1)) if (scheme[site]) words.push(`${site}${bits(scheme[site])}`);
  if (scheme.embedding) words.push(`embedding W${bits(scheme.embedding)}`);
  const { weights, activations } = headOf(scheme);
  if (weights ?? activations) {
    words.push(`head${weights ? ` W${bits(weights)}` : ""}${activations ? ` A${bits(activations)}` : ""}`);
  }
  const short = words.join(" ") || "float";
  const others = (scheme.overrides ?? []).map((one) => {
    const where = [one.layers && `layers ${ranges(one.layers)}`, one.linears?.join(" ")].filter((word) =>
      word !== undefined
    );
    const what = overridden.flatMap((site) => {
      const part = one[site];
      if (part === undefined) return [];
      if (site === "sparsity") return [part === "float" ? "no sparsity" : sparsityWords(part as Tagged)];
      const letter = site === "weights" ? "W" : site === "activations" ? "A" : site;
      return [part === "float" ? `${letter} float` : `${letter}${bits(part)}`];
    });
    return `${where.join(" ") || "all"}: ${what.join(" ")}`;
  });
  return [short, ...others].join("; ");
}

/** `"sparseGpt 50 % W4"`, `"wanda 2:4"`. */
function sparsityWords(part: Tagged): string {
  const { sparsity, pattern, bits } = part as Tagged & Readonly<Record<string, unknown>>;
  const zeros = typeof pattern === "string" && pattern !== "unstructured"
    ? ` ${pattern}`
    : typeof sparsity === "number"
    ? ` ${+(100 * sparsity).toFixed(1)} %`
    : "";
  return `${part.method}${zeros}${bits === undefined ? "" : ` W${bits}`}`;
}

/** The parts of the output projection. */
export function headOf({ head }: Scheme): HeadScheme {
  if (head === undefined) return {};
  return "method" in head ? { weights: head } : head;
}

/** `"0-2, 5"` of 0, 1, 2, 5. */
function ranges(indexes: readonly number[]): string {
  const parts: [first: number, last: number][] = [];
  for (const index of indexes.toSorted((a, b) => a - b)) {
    const last = parts.at(-1);
    if (last !== undefined && index <= last[1] + 1) last[1] = index;
    else parts.push([index, index]);
  }
  return parts.map(([first, last]) => first === last ? String(first) : `${first}-${last}`).join(", ");
}
