/** A quantization scheme as data: what is quantized, and how. It can be hashed, printed, stored and read back. */
import { show } from "../base/show.ts";
import type { SchemePart } from "./method.ts";
import type { Tagged } from "./options.ts";
import {
  type KvScheme,
  type LinearsScheme,
  methodOf,
  type OperandScheme,
  type TransformScheme,
  type WeightScheme,
} from "./registry.ts";
import { SchemeError } from "./error.ts";

/** What to quantize, and how. Absent parts stay in full precision. */
export interface Scheme {
  /** Function-preserving rewrites, in order, before anything is quantized. */
  readonly transforms?: readonly TransformScheme[];
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
}

/** Sites whose matrices are quantized on the fly. */
export const operandSites = ["activations", "keyBeforeRotary", "query", "key", "value", "scores"] as const;

/** One of {@linkcode operandSites}. */
export type OperandSite = typeof operandSites[number];

/** Which part of a {@linkcode Method} each key of a scheme needs. */
const parts: Readonly<Record<keyof Scheme, SchemePart>> = {
  transforms: "transform",
  weights: "weights",
  activations: "operand",
  keyBeforeRotary: "operand",
  query: "operand",
  key: "operand",
  value: "operand",
  scores: "operand",
  kv: "kv",
  linears: "linears",
};

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
    if (!Object.hasOwn(parts, site)) {
      const known = Object.keys(parts).join(", ");
      throw new SchemeError("option", `scheme has no part ${JSON.stringify(site)}: expected ${known}`);
    }
    scheme[site] = site === "transforms" ? parseList(part) : parsePart(site as keyof Scheme, part);
  }
  if (scheme.linears !== undefined && (scheme.weights !== undefined || scheme.activations !== undefined)) {
    throw new SchemeError(
      "combination",
      "linears owns the matrix product: expected no weights and no activations beside it",
    );
  }
  return scheme as Scheme;
}

function parseList(list: unknown): Tagged[] {
  if (!Array.isArray(list)) {
    throw new SchemeError("option", `transforms is ${show(list)}: expected a list`);
  }
  return list.map((one) => parsePart("transforms", one));
}

function parsePart(site: keyof Scheme, value: unknown): Tagged {
  const method = methodOf(value as Tagged);
  if (method[parts[site]] === undefined) {
    throw new SchemeError("combination", `${site} cannot be quantized by ${method.name}`);
  }
  return method.parse(value as Record<string, unknown>, parts[site]);
}

/** A short name of a scheme for tables: `"smoothQuant W8 A8 KV2"`. */
export function describeScheme(scheme: Scheme): string {
  const bits = (part: Tagged | undefined): string =>
    part && "bits" in part ? String(part.bits) : part ? `:${part.method}` : "";
  const words = (scheme.transforms ?? []).map((one: Tagged) => one.method);
  if (scheme.linears) words.push(scheme.linears["method"]);
  if (scheme.weights) words.push(`${(scheme.weights as Tagged).method} W${bits(scheme.weights)}`);
  if (scheme.activations) words.push(`A${bits(scheme.activations)}`);
  if (scheme.kv) words.push(`KV${bits(scheme.kv)}`);
  for (const site of operandSites.slice(1)) if (scheme[site]) words.push(`${site}${bits(scheme[site])}`);
  return words.join(" ") || "float";
}
