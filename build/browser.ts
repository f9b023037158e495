/**
 * `deno task browser [FILE]`: `quantbook/browser` as one module without imports, by esbuild (`deno bundle` neither puts other files in the
 * place of the platform's nor lowers `using`, which WebKit does not know).
 */
import * as esbuild from "npm:esbuild@0.28.2";
import { dirname, resolve } from "node:path";
import { pathOf } from "../base/file.ts";
import { inPlaceOf } from "./in_place_of.ts";

const root = pathOf(new URL("../", import.meta.url));

/** The module, and which files of the project are in it. */
export interface Bundle {
  readonly code: Uint8Array<ArrayBuffer>;
  /** Paths below the project's root. */
  readonly files: readonly string[];
}

/**
 * Bundles an entry for pages: by default `browser.ts`. Any use of a platform that has no stand-in is an error. What uses nothing of the
 * suite can do without `standIns` of the language; a `script` is no module, and may run in workers from blobs of pages without an origin.
 */
export async function bundle(
  entry = "browser.ts",
  { standIns = true, script = false }: { readonly standIns?: boolean; readonly script?: boolean } = {},
): Promise<Bundle> {
  const plugin: esbuild.Plugin = {
    name: "page",
    setup(build) {
      build.onResolve({ filter: /^\./ }, ({ path, resolveDir }) => {
        const full = resolve(resolveDir, path), name = full.slice(root.length).replaceAll("\\", "/");
        const other = inPlaceOf[name];
        return { path: other === undefined ? full : resolve(root, other) };
      });
      build.onResolve({ filter: /^jstat$/ }, () => ({ path: resolve(root, "browser/jstat.ts") }));
      build.onLoad({ filter: /\.wasm$/ }, async ({ path }) => ({
        contents: await Deno.readFile(path),
        loader: "binary",
      }));
      build.onLoad({ filter: /\.wgsl$/ }, async ({ path }) => ({
        contents: await Deno.readTextFile(path),
        loader: "text",
      }));
    },
  };
  try {
    const { outputFiles: [{ contents }], metafile } = await esbuild.build({
      absWorkingDir: resolve(root),
      entryPoints: [entry],
      // Before anything else, whatever an entry imports first.
      inject: standIns ? ["browser/stand_ins.ts"] : [],
      plugins: [plugin],
      bundle: true,
      write: false,
      metafile: true,
      format: script ? "iife" : "esm",
      ...script && { define: { "import.meta.url": "location.href" } },
      platform: "browser",
      target: ["chrome120", "firefox121", "safari17.4"],
      minify: true,
      keepNames: standIns,
      charset: "utf8",
      legalComments: "inline",
      logLevel: "silent",
    });
    return { code: contents as Uint8Array<ArrayBuffer>, files: Object.keys(metafile.inputs).sort() };
  } finally {
    await esbuild.stop();
  }
}

if (import.meta.main) {
  const file = Deno.args[0] ?? "dist/quantbook.js", { code } = await bundle();
  await Deno.mkdir(dirname(file), { recursive: true });
  await Deno.writeFile(file, code);
  console.log(`${file}: ${Math.ceil(code.length / 1024)} KiB`);
}
