/** The package, as its users have it: installed by npm into an empty folder, run by Deno and by Node 22, read by TypeScript. */
import { assert, assertEquals } from "@std/assert";
import { pack } from "./pack.ts";
import { pathOf } from "../base/file.ts";

const root = pathOf(new URL("../", import.meta.url));
const npm = await new Deno.Command("npm", { args: ["--version"], stderr: "null" }).output()
  .then(({ success }) => success, () => false);
if (!npm) console.log("the package is not tested: no npm");

interface Run {
  readonly success: boolean;
  readonly text: string;
}

async function run(cwd: string, program: string, ...args: string[]): Promise<Run> {
  const command = new Deno.Command(program, { args, cwd, env: { NO_COLOR: "1" } });
  const { success, stdout, stderr } = await command.output();
  return { success, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** The README's ten lines. */
async function tenLines(): Promise<string> {
  const [, code] = /## Ten lines\n\n```ts\n([\s\S]*?)```/.exec(await Deno.readTextFile(`${root}README.md`)) ??
    [];
  return code;
}

const asPackage = (code: string) => code.replaceAll(/"quantbook(\/\w+)?"/g, '"@quantbook/quantbook$1"');

Deno.test({
  name: "npm i of the tarball: the ten lines under Deno and Node 22, types, and clear errors",
  ignore: !npm,
  async fn(t) {
    const folder = await Deno.makeTempDir({ prefix: "quantbook-install-" });
    const deno = (...args: string[]) =>
      run(folder, Deno.execPath(), "run", "-A", "--node-modules-dir=manual", ...args);
    try {
      await pack(`${folder}/quantbook.tgz`);
      await Deno.writeTextFile(`${folder}/package.json`, '{"type":"module"}');
      const packages = ["./quantbook.tgz", "node@22", "typescript@5.9", "@types/node@22"];
      const installed = await run(folder, "npm", "install", "--no-fund", "--no-audit", ...packages);
      assert(installed.success, installed.text);

      const code = await tenLines();
      await Deno.writeTextFile(`${folder}/ten.ts`, asPackage(code));
      await Deno.writeTextFile(`${root}.ten.ts`, code);
      const here = await run(root, Deno.execPath(), "run", "-A", "--quiet", ".ten.ts").finally(() =>
        Deno.remove(`${root}.ten.ts`)
      );
      assert(/^\d+\.\d\d ± \d+\.\d\d\n$/.test(here.text), here.text);

      await t.step("Deno", async () => assertEquals((await deno("ten.ts")).text, here.text));

      await t.step("Node 22", async () => {
        await Deno.writeTextFile(`${folder}/ten.mjs`, asPackage(code).replaceAll("using ", "const "));
        const node = `${folder}/node_modules/node/bin/node`;
        assert((await run(folder, node, "--version")).text.startsWith("v22."));
        assertEquals((await run(folder, node, "ten.mjs")).text, here.text);
      });

      await t.step("types: what a method cannot quantize is refused", async () => {
        await Deno.writeTextFile(
          `${folder}/types.ts`,
          asPackage(`import { gptq, kivi, loadModel, rtn, type Scheme } from "quantbook";
import type { Method } from "quantbook/quant";
export const scheme: Scheme = { weights: gptq({ bits: 4 }), activations: rtn({ bits: 8, granularity: "token" }), kv: kivi() };
// @ts-expect-error a cache quantizes no weights
export const wrong: Scheme = { weights: kivi() };
export const layers: number = (await loadModel("fixture:llama")).architecture.layers;
export type Mine = Method;
`),
        );
        const settings = ["--module", "nodenext", "--target", "esnext", "--lib", "esnext,dom"];
        const checked = await run(folder, "npx", "tsc", "--noEmit", "--strict", ...settings, "types.ts");
        assert(checked.success, checked.text);
      });

      await t.step("a fixture that is not in the package says where it is", async () => {
        await Deno.writeTextFile(
          `${folder}/missing.ts`,
          asPackage('import { loadModel } from "quantbook";\nawait loadModel("fixture:opt");\n'),
        );
        const { success, text } = await deno("missing.ts");
        assert(!success && text.includes("fixtures/models/opt is not in this package"), text);
        assert(text.includes("a checkout of the repository"), text);
      });

      await t.step("an entry that there is none of is named", async () => {
        await Deno.writeTextFile(`${folder}/entry.ts`, 'import "@quantbook/quantbook/none";\n');
        const { success, text } = await deno("entry.ts");
        assert(!success && text.includes("./none") && text.includes("@quantbook/quantbook"), text);
      });

      await t.step("two copies in one process: a model of one is refused by the other", async () => {
        const code = `import { loadModel } from "@quantbook/quantbook";
import { perplexity, quantize, rtn } from ${JSON.stringify(new URL("../mod.ts", import.meta.url).href)};
using model = await loadModel("fixture:llama");
for (const use of [() => quantize(model as never, { weights: rtn({ bits: 4 }) }), () => perplexity(model as never, [Int32Array.of(1, 2)])]) {
  await use().then(() => console.log("no error"), (error) => console.log(error.code, error.message));
}
`;
        await Deno.writeTextFile(`${folder}/copies.ts`, code);
        // The checkout's import map, so that its copy finds its packages.
        await Deno.writeTextFile(`${folder}/deno.json`, await copyConfig(folder));
        const { text } = await deno("--quiet", "--no-check", "copies.ts");
        const refused = text.split("copy the model was loaded by another copy of quantbook than the one at");
        assertEquals(refused.length, 3, text);
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

async function copyConfig(folder: string): Promise<string> {
  const { imports, unstable } = JSON.parse(await Deno.readTextFile(`${root}deno.json`));
  const package_ = `${folder}/node_modules/@quantbook/quantbook/mod.js`;
  return JSON.stringify({
    imports: { ...imports, "@quantbook/quantbook": package_ },
    unstable,
    nodeModulesDir: "none",
  });
}
