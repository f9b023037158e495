/**
 * The house holds: which room imports which, doors, entries, and where the edges to the platform are. The tables below are those of
 * CONTRIBUTING.md; a failing line names the import and the rule.
 */
import { assert, assertEquals } from "@std/assert";
import { methods } from "./notebooks/methods.ts";
import config from "./deno.json" with { type: "json" };

const root = decodeURIComponent(new URL(".", import.meta.url).pathname);

/** Rooms from the ground up: a name, its files (a folder, or files), and the rooms that it may import with all that those may. */
const rooms: readonly (readonly [name: string, files: string, imports: string])[] = [
  ["base", "base/", ""],
  ["codes", "kernels/codes.ts kernels/round.ts kernels/error.ts", "base"],
  ["device", "kernels/device.ts", "codes"],
  ["check", "kernels/check.ts kernels/quantizer.ts", "device"],
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
  ["config", "model/checkpoint/config.ts", "files"],
  ["checkpoint", "model/checkpoint/", "config safetensors"],
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
  ["method", "quant/method.ts", "weights"],
  ["calibration", "quant/calibration/", "method"],
  ["compensation", "quant/compensation/", "method linear_algebra"],
  ["gradients", "quant/gradients/", "calibration"],
  ["transforms", "quant/transforms/", "calibration linear_algebra"],
  ["formats", "quant/formats/", "weights"],
  ["methods", "quant/methods/", "caches compensation gradients transforms"],
  ["registry", "quant/registry.ts quant/scheme.ts", "methods"],
  ["quantize", "quant/quantize.ts quant/quantize/", "registry"],
  ["windows", "eval/windows.ts eval/statistics.ts", "load"],
  ["store", "eval/store.ts eval/store/", "quantize formats"],
  ["cost", "eval/cost.ts eval/cost/", "quantize formats"],
  ["corpus", "eval/corpus.ts", "windows"],
  ["metrics", "eval/metrics/", "windows quantize"],
  ["generation", "eval/generation/", "windows quantize"],
  ["tasks", "eval/tasks/", "generation store"],
  ["sweep", "eval/sweep.ts eval/sweep/", "store cost metrics tasks"],
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
  "cli/",
  "notebooks/",
  "bench/",
];

/** Where `Deno.` and `node:` may stand. */
const edges = [
  "base/environment.ts",
  "base/file.ts",
  "base/hash.ts",
  "kernels/native/",
  "kernels/cpu/module.ts",
  "kernels/cpu/pool.ts",
  "kernels/cpu/worker.ts",
  "kernels/cpu/build.ts",
  "kernels/cpu/compile.ts",
  "kernels/conformance/",
  "model/files/read.ts",
  "model/hub",
  "model/load.ts",
  "model/checkpoint/",
  "model/tokenizer/tokenizer.ts",
  "quant/formats/export.ts",
  "eval/corpus.ts",
  "eval/store",
  "eval/sweep",
  "eval/cost",
  "eval/oracle",
  "eval/claims/files.ts",
  "eval/tasks/data.ts",
  "eval/tasks/log.ts",
  "eval/tasks/evaluate.ts",
  "cli/",
  "notebooks/",
  "bench/",
];

const isTest = (path: string) => /_(?:test|testing|bench)\.ts$/.test(path);
const isSupport = (path: string) =>
  /_(?:test|testing)\.ts$/.test(path) || path.startsWith("kernels/conformance/");

async function sources(folder = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${root}${folder}`)) {
    if (/^[._]|^(?:fixtures|site|node_modules|assembly|examples)$/.test(name)) continue;
    if (isDirectory) found.push(...await sources(`${folder}${name}/`));
    else if (name.endsWith(".ts") && !name.endsWith(".d.ts")) found.push(folder + name);
  }
  return found.sort();
}

interface File {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const files: File[] = await Promise.all((await sources()).map(async (path) => {
  const text = (await Deno.readTextFile(root + path)).replaceAll(/^ *\*.*$|\/\/.*$/gm, "");
  const relative = text.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*"(\.[^"]+)"/g);
  const here = new URL(path, "file:///");
  return {
    path,
    text,
    imports: Array.from(relative, ([, target]) => new URL(target, here).pathname.slice(1)),
  };
}));
const product = files.filter(({ path }) =>
  !isTest(path) && path !== "mod_test.ts" && !path.startsWith("std/")
);
const known = new Map(files.map((file) => [file.path, file]));

const holds = (list: string) => (path: string) =>
  list.split(" ").some((one) => one.endsWith("/") ? path.startsWith(one) : path === one);
function roomOf(path: string): string {
  // The most specific: a file named by itself goes before the folder that it lies in.
  const named = rooms.find(([, list]) => list.split(" ").includes(path)) ??
    rooms.find(([, list]) => holds(list)(path));
  return named?.[0] ?? floors.find((floor) => holds(floor)(path)) ?? path;
}

const allowed = new Map<string, Set<string>>();
for (const [name, , list] of rooms) {
  const direct = list.split(" ").filter(Boolean);
  allowed.set(
    name,
    new Set([name, "base", ...direct.flatMap((room) => [...allowed.get(room) ?? [`no room ${room}`]])]),
  );
}
for (const [i, floor] of floors.entries()) {
  const entries = i < 4 ? [] : floors.slice(0, i);
  allowed.set(floor, new Set([floor, ...rooms.map(([name]) => name), ...entries]));
}

Deno.test("every import goes down, to a room that this one may use", () => {
  const wrong = product.flatMap(({ path, imports }) => {
    const room = roomOf(path), may = allowed.get(room);
    assert(may, `${path} lies in no room`);
    return imports.filter((target) =>
      target.endsWith(".ts") && !may.has(roomOf(target)) && roomOf(target) !== "deno.json"
    )
      .map((target) =>
        `${path} imports ${target}: ${room} may import ${
          rooms.find(([name]) => name === room)?.[2] || "nothing"
        }`
      );
  });
  assertEquals(wrong, []);
});

Deno.test("no circle of imports", () => {
  const state = new Map<string, "open" | "done">(), circles: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") {
      return void circles.push([...trail.slice(trail.indexOf(path)), path].join(" imports "));
    }
    state.set(path, "open");
    for (const target of known.get(path)?.imports ?? []) visit(target, [...trail, path]);
    state.set(path, "done");
  };
  for (const { path } of files) visit(path, []);
  assertEquals(circles, []);
});

Deno.test("no file of a room imports the room's door", () => {
  const wrong = product.flatMap(({ path, imports }) =>
    imports.filter((target) => path.startsWith(target.replace(/\.ts$/, "/"))).map((door) =>
      `${path} imports its door ${door}`
    )
  );
  assertEquals(wrong, []);
});

Deno.test("product files import no support of tests, and the plain twin only where it is the oracle", () => {
  const wrong = product.filter(({ path }) => !isSupport(path)).flatMap(({ path, imports }) =>
    imports.filter((target) => isSupport(target) && !path.startsWith("bench/")).map((target) =>
      `${path} imports ${target}, support of tests`
    )
  );
  const twins = product.filter(({ path }) =>
    !/^kernels\/(?:reference|conformance)\b|\bmod\.ts$|^bench\//.test(path)
  )
    .flatMap(({ path, imports }) =>
      imports.filter((target) => roomOf(target) === "reference").map((target) =>
        `${path} imports ${target}, the plain twin`
      )
    );
  assertEquals([...wrong, ...twins], []);
});

Deno.test("Deno. and node: stand only at the edges", () => {
  const wrong = product.filter(({ path }) => !edges.some((edge) => path.startsWith(edge)))
    .flatMap(({ path, text }) =>
      (text.match(/\bDeno\.\w+|"node:\w+"/g) ?? []).map((found) => `${path} has ${found}`)
    );
  assertEquals(wrong, []);
});

Deno.test("no value is exported by two entries", async () => {
  const owners = new Map<string, string>(), twice: string[] = [];
  for (const [entry, path] of Object.entries(config.exports)) {
    for (const name of Object.keys(await import(new URL(path, import.meta.url).href))) {
      const other = owners.get(name);
      if (other !== undefined) twice.push(`${name} is exported by ${other} and by ${entry}`);
      owners.set(name, entry);
    }
  }
  assertEquals(twice, []);
  const core = (await Deno.readTextFile(`${root}mod.ts`)).matchAll(/^export (?:type )?\{([^}]*)\}/gm);
  const names = Array.from(core, ([, list]) => list.split(",").filter((name) => name.trim() !== "")).flat();
  assert(names.length <= 110, `mod.ts exports ${names.length} names: expected at most 110`);
});

Deno.test("what is named in tables is there", async () => {
  const paths = methods.flatMap(({ source, equation }) => [source, equation?.source ?? source]);
  for await (const { name } of Deno.readDir(`${root}notebooks`)) {
    if (!name.endsWith(".ipynb")) continue;
    const { metadata } = JSON.parse(await Deno.readTextFile(`${root}notebooks/${name}`));
    paths.push(`notebooks/${name}`, metadata.quantbook?.method ?? "mod.ts");
  }
  const table = (await Deno.readTextFile(`${root}CONTRIBUTING.md`)).matchAll(/^\| (`[^|]*`) +\|/gm);
  for (const [, names] of table) paths.push(...Array.from(names.matchAll(/`([^`]+)`/g), ([, name]) => name));
  assert(paths.length > 100, `only ${paths.length} paths were found`);
  const missing = [];
  for (const path of new Set(paths)) if (!await Deno.stat(root + path).catch(() => null)) missing.push(path);
  assertEquals(missing, []);
});

Deno.test("files are small, and rooms are not halls", () => {
  const lines = product.map(({ path, text }) => ({ path, count: text.split("\n").length }));
  assertEquals(
    lines.filter(({ count }) => count > 400).map(({ path, count }) => `${path} has ${count} lines`),
    [],
  );
  const sorted = lines.map(({ count }) => count).sort((a, b) => a - b);
  assert(sorted[sorted.length >> 1] <= 120, `the median of lines is ${sorted[sorted.length >> 1]}`);
  for (const [room, most] of [["quant", 12], ["model", 17], ["eval", 19], ["kernels", 13]] as const) {
    const count = files.filter(({ path }) =>
      path.match(/\//g)?.length === 1 && path.startsWith(`${room}/`)
    ).length;
    assert(count <= most, `${room}/ holds ${count} files: expected at most ${most}, and rooms for the rest`);
  }
});
