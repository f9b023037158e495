/**
 * The rules of the house: which room imports which, doors, and where the edges to the platform are. The tables are those of
 * CONTRIBUTING.md; each rule gives a line per violation that names the import and the rule.
 */

import { dirname, join } from "node:path";
import { inPlaceOf } from "./build/in_place_of.ts";

/** Rooms from the ground up: a name, its files (a folder, or files), and the rooms that it may import with all that those may. */
const rooms: readonly (readonly [name: string, files: string, imports: string])[] = [
  ["base", "base/", ""],
  ["codes", "kernels/codes.ts kernels/round.ts kernels/error.ts", "base"],
  ["device", "kernels/device.ts", "codes"],
  ["check", "kernels/check.ts kernels/quantizer.ts kernels/self_check.ts", "device"],
  ["host", "kernels/host/", "check"],
  ["reference", "kernels/reference.ts kernels/reference/", "host"],
  ["gpu", "kernels/gpu/", "host"],
  ["cpu", "kernels/cpu/", "host"],
  ["native", "kernels/native/", "cpu"],
  ["default", "kernels/default.ts", "cpu gpu native"],
  ["conformance", "kernels/conformance/", "default reference"],
  ["architecture", "model/architecture.ts model/error.ts", "device"],
  ["files", "model/files/", "base"],
  ["tokenizer", "model/tokenizer/", "base"],
  ["safetensors", "model/safetensors.ts model/safetensors/", "files"],
  ["hub", "model/hub.ts model/hub/", "files"],
  ["config", "model/checkpoint/config.ts model/checkpoint/rotary_sections.ts", "files"],
  ["checkpoint", "model/checkpoint/", "config safetensors codes"],
  ["gguf", "model/gguf/", "checkpoint tokenizer"],
  ["families", "model/families.ts model/families/", "architecture config"],
  ["decoder", "model/decoder.ts model/decoder/", "architecture checkpoint host default"],
  ["model", "model/generate.ts model/model.ts model/branches.ts", "decoder tokenizer"],
  ["load", "model/load.ts", "model families gguf hub"],
  ["options", "quant/error.ts quant/options.ts", "base"],
  ["grids", "quant/grids/", "options load"],
  ["linear_algebra", "quant/linear_algebra/", "options load"],
  ["weights", "quant/weights/", "grids"],
  ["caches", "quant/caches/", "grids"],
  ["resumption", "quant/resumption/", "weights"],
  ["method", "quant/method.ts", "resumption"],
  ["calibration", "quant/calibration/", "method"],
  ["compensation", "quant/compensation/", "method linear_algebra"],
  ["gradients", "quant/gradients/", "calibration linear_algebra"],
  ["transforms", "quant/transforms/", "calibration linear_algebra"],
  ["formats", "quant/formats/", "weights"],
  ["methods", "quant/methods.ts quant/methods/", "caches compensation gradients transforms"],
  ["registry", "quant/registry.ts quant/scheme.ts", "methods"],
  ["notation", "quant/notation/", "registry"],
  ["quantize", "quant/quantize.ts quant/quantize/", "registry"],
  ["published", "quant/published/", "formats quantize"],
  ["windows", "eval/windows.ts eval/statistics.ts", "load"],
  ["store", "eval/store.ts eval/store/", "published"],
  ["cost", "eval/cost.ts eval/cost/", "published"],
  ["corpus", "eval/corpus.ts", "windows"],
  ["metrics", "eval/metrics/", "windows published"],
  ["generation", "eval/generation/", "windows published"],
  ["tasks", "eval/tasks/", "generation store"],
  ["sweep", "eval/sweep.ts eval/sweep/", "store cost metrics tasks"],
  ["compare", "eval/compare.ts eval/compare/", "sweep"],
  ["advisor", "eval/advisor/", "metrics notation"],
  ["receipt", "eval/receipt.ts eval/receipt/", "compare corpus"],
  ["oracle", "eval/oracle.ts eval/oracle/", "metrics"],
  ["claims", "eval/claims.ts eval/claims/", "oracle sweep corpus"],
];

/** Files above the rooms, from the ground up. */
const floors = [
  "kernels/mod.ts",
  "model/mod.ts",
  "quant/mod.ts",
  "eval/mod.ts",
  "mod.ts",
  "browser/",
  "browser.ts",
  "build/",
  "cli/",
  "notebooks/",
  "bench/",
];

/** Where `Deno.` and `node:` may stand. */
const edges = [
  "base/environment.ts",
  "base/file.ts",
  "base/hash.ts",
  "base/lock.ts",
  "kernels/native/",
  "kernels/cpu/platform.ts",
  "kernels/cpu/worker.ts",
  "kernels/cpu/build.ts",
  "kernels/cpu/compile.ts",
  "kernels/conformance/",
  "model/files/read.ts",
  "model/hub",
  "eval/store/",
  "eval/sweep",
  "eval/tasks/log.ts",
  "build/",
  "cli/",
  "notebooks/",
  "bench/",
];

/** A file of the project, its comments left out. */
export interface File {
  readonly path: string;
  readonly text: string;
  /** Paths of what it imports by a relative specifier. */
  readonly imports: readonly string[];
}

/** The file of a path with a text. */
export function fileOf(path: string, source: string): File {
  const text = source.replaceAll(/^ *\*.*$|(?<!:)\/\/.*$/gm, "");
  const relative = text.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*"(\.[^"]+)"/g);
  return {
    path,
    text,
    imports: Array.from(relative, ([, target]) => join(dirname(path), target).replaceAll("\\", "/")),
  };
}

const isSupport = (path: string) =>
  /_(?:test|testing)\.ts$/.test(path) || path.startsWith("kernels/conformance/");

/** Whether a file is part of the product: no test, no benchmark, no stand-in. */
export function isProduct({ path }: File): boolean {
  return !/_(?:test|testing|bench)\.ts$|^std\//.test(path);
}

const holds = (list: string) => (path: string) =>
  list.split(" ").some((one) => one.endsWith("/") ? path.startsWith(one) : path === one);

function roomOf(path: string): string {
  // The most specific: a file named by itself goes before the folder that it lies in.
  const named = rooms.find(([, list]) => list.split(" ").includes(path)) ??
    rooms.find(([, list]) => holds(list)(path));
  return named?.[0] ?? floors.find((floor) => holds(floor)(path)) ?? path;
}

/** What each room may import: what its list names, and what those may. */
const allowed = new Map<string, ReadonlySet<string>>();
for (const [name, , list] of rooms) {
  const below = list.split(" ").filter(Boolean).flatMap((
    room,
  ) => [...allowed.get(room) ?? [`no room ${room}`]]);
  allowed.set(name, new Set([name, "base", ...below]));
}
for (const [i, floor] of floors.entries()) {
  const entries = i < 4 ? [] : floors.slice(0, i);
  allowed.set(floor, new Set([floor, ...rooms.map(([name]) => name), ...entries]));
}

/** Imports to rooms that the importing one may not use; files that lie in no room. */
export function wrongDirections(files: readonly File[]): string[] {
  return files.filter(isProduct).flatMap(({ path, imports }) => {
    const room = roomOf(path), may = allowed.get(room);
    if (may === undefined) return [`${path} lies in no room`];
    const rule = `${room} may import ${rooms.find(([name]) => name === room)?.[2] || "what lies below"}`;
    return imports.filter((target) => target.endsWith(".ts") && !may.has(roomOf(target)))
      .map((target) => `${path} imports ${target}: ${rule}`);
  });
}

/** Circles of imports, types included. */
export function circles(files: readonly File[]): string[] {
  const known = new Map(files.map((file) => [file.path, file]));
  const state = new Map<string, "open" | "done">(), found: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") {
      found.push(`${[...trail.slice(trail.indexOf(path)), path].join(" imports ")}: a circle`);
      return;
    }
    state.set(path, "open");
    for (const target of known.get(path)?.imports ?? []) visit(target, [...trail, path]);
    state.set(path, "done");
  };
  for (const { path } of files) visit(path, []);
  return found;
}

/** Files of a room that import the room's door. */
export function throughDoors(files: readonly File[]): string[] {
  return files.filter(isProduct).flatMap(({ path, imports }) =>
    imports.filter((target) => path.startsWith(target.replace(/\.ts$/, "/")))
      .map((door) => `${path} imports ${door}: a file of a room may not import the room's door`)
  );
}

/** Product files that import support of tests, or the plain twin where it is no oracle. */
export function supportInProduct(files: readonly File[]): string[] {
  return files.filter((file) => isProduct(file) && !isSupport(file.path) && !file.path.startsWith("bench/"))
    .flatMap(({ path, imports }) => {
      const support = imports.filter(isSupport).map((target) =>
        `${path} imports ${target}: only tests may import their support`
      );
      // A page's worker is an entry of its own: it holds a reader's GPU to the twin.
      const mayTwin = /^kernels\/reference\b|\bmod\.ts$|^notebooks\/lib\/live\/gpu\.ts$/.test(path);
      const twins = imports.filter((target) => roomOf(target) === "reference" && !mayTwin)
        .map((target) => `${path} imports ${target}: only tests and entries may import the plain twin`);
      return [...support, ...twins];
    });
}

/** Uses of the platform elsewhere than at the edges. */
export function beyondEdges(files: readonly File[]): string[] {
  return files.filter((file) => isProduct(file) && !edges.some((edge) => file.path.startsWith(edge)))
    .flatMap(({ path, text }) =>
      (text.match(/\bDeno\.\w+|"node:[\w/]+"/g) ?? []).map((found) =>
        `${path} has ${found}: only edges may use the platform`
      )
    );
}

/** `Math`'s functions that engines compute differently, and powers but those of 2 and squares, which are exact in all. */
const inexact =
  /\bMath\.(?:exp|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sinh|cosh|tanh|asin|acos|atan|atan2|asinh|acosh|atanh|cbrt|hypot)\b|(?<!\b2|\b2n) \*\* (?!2\b(?!\.))/g;

/** Platform and inexact functions in files that a page runs: all that `browser.ts` and the worker of the report reach, what stands in the place of others counted for them. */
export function unfitForPages(files: readonly File[]): string[] {
  const known = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>(), open = ["browser.ts", "notebooks/lib/live/worker.ts"];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const file = known.get(inPlaceOf[path] ?? path);
    if (file === undefined || reached.has(file.path)) continue;
    reached.add(file.path);
    // Types leave no trace.
    open.push(...fileOf(file.path, file.text.replaceAll(/^(?:import|export) type [^;]*;/gm, "")).imports);
  }
  return files.filter(({ path }) => reached.has(path)).flatMap(({ path, text }) => [
    ...(text.match(/\bDeno\.\w+|"node:[\w/]+"/g) ?? []).map((found) =>
      `${path} has ${found}: a page runs it, which has no such platform`
    ),
    ...path === "base/elementary.ts" || path.includes("/jinja/")
      ? []
      : (text.match(inexact) ?? []).map((found) =>
        `${path} has ${found.trim()}: engines differ in it, base/elementary.ts does not`
      ),
  ]);
}

/** Paths taken apart by a separator, in the product: on Windows there are two, on Unix a backslash is a letter. */
export function pathsTakenApart(files: readonly File[]): string[] {
  return files.filter(isProduct).flatMap(({ path, text }) =>
    (text.match(/lastIndexOf\("(?:\/|\\\\)"\)|replace\(\/(?:\\\/|\[\/\\\\\])\+\$\//g) ?? [])
      // Addresses have one separator.
      .filter((found) => found.startsWith("last") || path !== "model/hub/settings.ts")
      .map((found) => `${path} has ${found}: only directoryOf and trimmedPath take paths apart`)
  );
}

/**
 * Addresses taken for the names of files, and names of files put into addresses: a blank, a `#` or a `%` in a path means another
 * file then, and on Windows there is none of that name. `pathOf` and `pathToFileURL` go from one to the other.
 */
export function pathsByHand(files: readonly File[]): string[] {
  return files.filter(({ path }) => path !== "mod_testing.ts" && path !== "mod_test.ts").flatMap((
    { path, text },
  ) =>
    text.split("\n").filter((line) => !line.includes("request.url")).flatMap((line) =>
      (line.match(/\bpathname\b|file:\/\/\/?\$\{|"file:\/\/\/?" \+/g) ?? []).map((found) =>
        `${path} has ${found}: only pathOf and pathToFileURL turn addresses into paths, and paths into addresses`
      )
    )
  );
}

/**
 * Values that two entries export under one name, unless one of them is the core and both hand on the same: readers and what a method is
 * made of stand in the core for who needs no more of their room.
 */
export function exportedTwice(
  entries: readonly (readonly [entry: string, values: Readonly<Record<string, unknown>>])[],
): string[] {
  const owners = new Map<string, { entry: string; value: unknown }>();
  return entries.flatMap(([entry, values]) =>
    Object.entries(values).flatMap(([name, value]) => {
      const other = owners.get(name);
      owners.set(name, { entry, value });
      const handedOn = other?.value === value && (other?.entry === "." || entry === ".");
      return other === undefined || handedOn
        ? []
        : [`${name} is exported by ${other.entry} and by ${entry}: one entry may export a value`];
    })
  );
}
