/**
 * `deno task pack [FILE]`: the npm tarball. `deno pack` makes it, with types; then what Node 22 does not know yet is put into words that it
 * does: `using` by esbuild, texts as modules, `Float16Array` and its kin by libraries that are loaded where they are missing.
 */
import * as esbuild from "npm:esbuild@0.28.2";
import { dirname, relative, resolve } from "node:path";
import { pathOf } from "../base/file.ts";
import config from "../deno.json" with { type: "json" };

const root = pathOf(new URL("../", import.meta.url));

/** What the package needs beside the packages that its modules name. */
const standIns = { "@petamoriken/float16": "3.9.3", "core-js": "3.51.0" };
const standInModule = `// Node 22 lacks these; newer ones, and Deno, have them.
if (globalThis.Float16Array === undefined) {
  const { Float16Array, f16round, getFloat16, setFloat16 } = await import("@petamoriken/float16");
  globalThis.Float16Array = Float16Array;
  Math.f16round = f16round;
  DataView.prototype.getFloat16 = function (...args) { return getFloat16(this, ...args); };
  DataView.prototype.setFloat16 = function (...args) { return setFloat16(this, ...args); };
}
if (globalThis.DisposableStack === undefined) {
  await import("core-js/actual/disposable-stack/index.js");
  await import("core-js/actual/async-disposable-stack/index.js");
}
`;

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, cwd: root }).output();
  if (!success) throw new Error(`${program} ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}

async function* filesIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* filesIn(`${folder}/${name}`);
    else yield `${folder}/${name}`;
  }
}

/** Makes the tarball. */
export async function pack(target: string): Promise<void> {
  const work = await Deno.makeTempDir({ prefix: "quantbook-pack-" });
  try {
    const plain = `${work}/plain.tgz`;
    await run(Deno.execPath(), "pack", "--allow-dirty", "--no-source-maps", "-o", plain);
    await run("tar", "xzf", plain, "-C", work);
    const folder = `${work}/package`;
    const entries = new Set(
      Object.values(config.exports).map((path) => resolve(folder, path.replace(/\.ts$/, ".js"))),
    );
    const dependencies = new Map<string, string>(Object.entries(standIns));
    for await (const path of filesIn(folder)) {
      if (!/(?<!\.d)\.(?:js|ts)$/.test(path)) continue;
      await Deno.writeTextFile(
        path.replace(/\.ts$/, ".js"),
        await translated(path, `${folder}/stand_ins.js`, entries, dependencies),
      );
      if (path.endsWith(".ts")) await Deno.remove(path);
    }
    await Deno.writeTextFile(`${folder}/stand_ins.js`, standInModule);
    await pin(`${folder}/package.json`, dependencies);
    await run("tar", "czf", resolve(target), "-C", work, "package");
  } finally {
    await esbuild.stop();
    await Deno.remove(work, { recursive: true });
  }
}

/** A module as Node 22 reads it. Texts that it imports become modules beside them. */
async function translated(
  path: string,
  standIns: string,
  entries: ReadonlySet<string>,
  dependencies: Map<string, string>,
): Promise<string> {
  let code = await Deno.readTextFile(path);
  for (
    const [whole, name, text] of code.matchAll(/import (\w+) from "([^"]+)" with \{\s*type: "text"\s*\}/g)
  ) {
    const file = resolve(dirname(path), text);
    await Deno.writeTextFile(
      `${file}.js`,
      `export default ${JSON.stringify(await Deno.readTextFile(file))};\n`,
    );
    code = code.replace(whole, `import ${name} from "${text}.js"`);
  }
  const loader = path.endsWith(".ts") ? "ts" : "js";
  code = (await esbuild.transform(code, { loader, target: "node22", format: "esm", charset: "utf8" })).code;
  if (loader === "ts") code = code.replaceAll(/(from "\.[^"]*)\.ts"/g, '$1.js"');
  code = code.replaceAll(/from "npm:((?:@[\w.-]+\/)?[\w.-]+)@([\w.-]+)"/g, (_, name, version) => {
    dependencies.set(name, version);
    return `from "${name}"`;
  });
  if (!entries.has(path)) return code;
  const from = relative(dirname(path), standIns);
  return `import "${from.startsWith(".") ? from : `./${from}`}";\n${code}`;
}

/** Versions are those that the suite is tested with; what only S3 needs is listed too. */
async function pin(file: string, more: ReadonlyMap<string, string>): Promise<void> {
  const json = JSON.parse(await Deno.readTextFile(file));
  const pinned: Record<string, string> = { ...json.dependencies, ...Object.fromEntries(more) };
  for (const specifier of Object.values(config.imports)) {
    const found = /^npm:((?:@[^/]+\/)?[^@/]+)@([^/]+)/.exec(specifier);
    if (found !== null && found[1] in pinned) pinned[found[1]] = found[2];
  }
  json.dependencies = Object.fromEntries(Object.entries(pinned).sort(([a], [b]) => a < b ? -1 : 1));
  json.engines = { node: ">=22" };
  await Deno.writeTextFile(file, JSON.stringify(json, null, 2));
}

if (import.meta.main) {
  const file = Deno.args[0] ?? `quantbook-${config.version}.tgz`;
  await pack(file);
  console.log(`${file}: ${((await Deno.stat(file)).size / 1e6).toFixed(1)} MB`);
}
