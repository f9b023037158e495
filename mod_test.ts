/** The house holds: the rules of `mod_testing.ts` on the project's files, and on planted violations of each. */
import { assert, assertEquals } from "@std/assert";
import { pathOf } from "./base/file.ts";
import config from "./deno.json" with { type: "json" };
import {
  beyondEdges,
  circles,
  exportedTwice,
  type File,
  fileOf,
  isProduct,
  pathsByHand,
  pathsTakenApart,
  supportInProduct,
  throughDoors,
  unfitForPages,
  wrongDirections,
} from "./mod_testing.ts";
import { methods } from "./notebooks/methods.ts";
import type { Method } from "./quant/method.ts";
import { builtIn } from "./quant/registry.ts";

const root = pathOf(new URL(".", import.meta.url));

async function sources(folder = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${root}${folder}`)) {
    if (/^[._]|^(?:fixtures|site|node_modules|assembly|examples)$/.test(name)) continue;
    if (isDirectory) found.push(...await sources(`${folder}${name}/`));
    else if (name.endsWith(".ts") && !name.endsWith(".d.ts")) found.push(folder + name);
  }
  return found.sort();
}

const files: File[] = await Promise.all(
  (await sources()).map(async (path) => fileOf(path, await Deno.readTextFile(root + path))),
);
const entries = await Promise.all(
  Object.entries(config.exports).map(async ([entry, path]) =>
    [entry, await import(new URL(path, import.meta.url).href)] as const
  ),
);

const rules = {
  wrongDirections,
  circles,
  throughDoors,
  supportInProduct,
  beyondEdges,
  pathsByHand,
  pathsTakenApart,
  unfitForPages,
};
for (const [name, rule] of Object.entries(rules)) {
  Deno.test(`the project's files: ${name}`, () => assertEquals(rule(files), []));
}

/** A file that is not there, and what the rule says of it. */
const planted: readonly [keyof typeof rules, path: string, source: string, complaint: string][] = [
  [
    "wrongDirections",
    "quant/weights/planted.ts",
    'import { gptq } from "../methods/gptq.ts";',
    "quant/weights/planted.ts imports quant/methods/gptq.ts: weights may import grids",
  ],
  [
    "wrongDirections",
    "kernels/cpu/planted.ts",
    'import type { Model } from "../../model/model.ts";',
    "kernels/cpu/planted.ts imports model/model.ts: cpu may import host",
  ],
  ["wrongDirections", "lib/planted.ts", "export {};", "lib/planted.ts lies in no room"],
  [
    "circles",
    "model/error.ts",
    'import { Model } from "./model.ts";',
    "model/error.ts imports model/model.ts",
  ],
  [
    "throughDoors",
    "model/hub/planted.ts",
    'export { hubDirectory } from "../hub.ts";',
    "model/hub/planted.ts imports model/hub.ts: a file of a room may not import the room's door",
  ],
  [
    "supportInProduct",
    "model/planted.ts",
    'import { hub } from "./hub/server_testing.ts";',
    "model/planted.ts imports model/hub/server_testing.ts: only tests may import their support",
  ],
  [
    "supportInProduct",
    "quant/methods/planted.ts",
    'const { rmsNorm } = await import("../../kernels/reference/rows.ts");',
    "quant/methods/planted.ts imports kernels/reference/rows.ts: only tests and entries may import the plain twin",
  ],
  [
    "beyondEdges",
    "quant/grids/planted.ts",
    'export const home = Deno.env.get("HOME");',
    "quant/grids/planted.ts has Deno.env: only edges may use the platform",
  ],
  [
    "beyondEdges",
    "model/decoder/planted.ts",
    'import { readFile } from "node:fs/promises";',
    'model/decoder/planted.ts has "node:fs/promises": only edges may use the platform',
  ],
  [
    "unfitForPages",
    "eval/metrics/certificate.ts",
    "export const certify = (x: number) => Math.exp(x);",
    "eval/metrics/certificate.ts has Math.exp: engines differ in it",
  ],
  [
    "unfitForPages",
    "eval/metrics/certificate.ts",
    "export const certify = (x: number) => x ** 2.5;",
    "eval/metrics/certificate.ts has **: engines differ in it",
  ],
  [
    "unfitForPages",
    "eval/metrics/certificate.ts",
    'export { readFile as certify } from "node:fs/promises";',
    'eval/metrics/certificate.ts has "node:fs/promises": a page runs it',
  ],
  [
    "pathsTakenApart",
    "model/planted.ts",
    'const folder = path.slice(0, path.lastIndexOf("/") + 1);',
    'model/planted.ts has lastIndexOf("/"): only directoryOf and trimmedPath',
  ],
  [
    "pathsTakenApart",
    "model/planted.ts",
    'const folder = path.replace(/\\/+$/, "");',
    "only directoryOf and trimmedPath",
  ],
  [
    "pathsByHand",
    "model/planted_test.ts",
    'const folder = decodeURIComponent(new URL("../fixtures", import.meta.url).pathname);',
    "model/planted_test.ts has pathname: only pathOf and pathToFileURL",
  ],
  [
    "pathsByHand",
    "cli/planted.ts",
    "const module = await import(`file://${path}`);",
    "cli/planted.ts has file://${: only pathOf and pathToFileURL",
  ],
];
for (const [rule, path, source, complaint] of planted) {
  Deno.test(`planted, ${rule}: ${complaint}`, () => {
    const others = files.filter((file) => file.path !== path);
    const found = rules[rule]([...others, fileOf(path, source)]);
    assert(found.some((one) => one.includes(complaint)), found.join("\n"));
  });
}

Deno.test("no value is exported by two entries, and the core is small", async () => {
  assertEquals(exportedTwice(entries), []);
  const others = [["./planted", { quantize: () => {} }], ["./another", { kMeans: 1 }]] as const;
  assertEquals(exportedTwice([...entries, ...others]), [
    "quantize is exported by . and by ./planted: one entry may export a value",
    "kMeans is exported by ./quant and by ./another: one entry may export a value",
  ]);
  const core = (await Deno.readTextFile(`${root}mod.ts`)).matchAll(/^export (?:type )?\{([^}]*)\}/gm);
  const names = Array.from(core, ([, list]) => list.split(",").filter((name) => name.trim() !== "")).flat();
  // A method adds its builder.
  const most = 88 + Object.keys(builtIn).length;
  assert(names.length <= most, `mod.ts exports ${names.length} names: expected at most ${most}`);
});

Deno.test("the first start fetches what the suite needs: heavy packages have a lock file of their own", async () => {
  // `deno task` installs whatever deno.lock lists. A run of a heavy file without --lock=heavy.lock adds to it.
  const { specifiers } = JSON.parse(await Deno.readTextFile(`${root}deno.lock`));
  const { imports } = JSON.parse(await Deno.readTextFile(`${root}deno.json`));
  const listed = Object.values(imports as Record<string, string>).filter((target) =>
    target.startsWith("npm:")
  );
  const named = new Set(listed.map((target) => /^npm:@?[^@]+@[^/]+/.exec(target)?.[0]));
  assertEquals(Object.keys(specifiers).filter((name) => !named.has(name)), []);
});

Deno.test("every method of the suite says where it was published", () => {
  const silent = Object.values<Method>(builtIn).filter(({ paper }) => !paper?.link.startsWith("https://"));
  assertEquals(silent.map(({ name }) => name), []);
});

Deno.test("stored weights are plain data whose classes a quantization that resumes knows", () => {
  const known = files.find(({ path }) => path === "quant/resumption/record.ts")?.text ?? "";
  const weights = files.filter(({ path, text }) =>
    path.startsWith("quant/weights/") && isProduct({ path, text, imports: [] }) &&
    text.includes("implements StoredWeight")
  );
  assert(weights.length > 10);
  // What a published file holds is decoded by a function, and made by no quantization.
  const left = weights.filter(({ path }) => path !== "quant/weights/decoded.ts").flatMap(({ path, text }) => {
    const name = /class (\w+) implements StoredWeight/.exec(text)?.[1] ?? "";
    const own = /^ {2}(?:readonly )?#\w+/m.exec(text)?.[0].trim();
    return [
      ...known.includes(`    ${name},`) ? [] : [`${path}: ${name} is no class of quant/resumption/record.ts`],
      ...own === undefined ? [] : [`${path}: ${own} cannot be kept on a disk, a private field can`],
    ];
  });
  assertEquals(left, []);
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
  const lines = files.filter(isProduct).map(({ path, text }) => ({ path, count: text.split("\n").length }));
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
