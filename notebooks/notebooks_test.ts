/**
 * Runs notebooks as plain modules: the published tables are the test suite. `QUANTBOOK_NOTEBOOKS` names those to run
 * (`all`, or names with commas); by default round to nearest, whose sweep takes a minute and
 * a half. `deno task test:notebooks` runs all.
 */
import { assert, fail } from "@std/assert";
import { basename } from "node:path";
import { onSoftwareGpu } from "../kernels/conformance/software_gpu.ts";
import { listNotebooks, readNotebook } from "./lib/notebook/files.ts";
import { runAsModule } from "./lib/module.ts";

const wanted = Deno.env.get("QUANTBOOK_NOTEBOOKS") ?? "rtn";
const paths = await listNotebooks();
const chosen = wanted === "all"
  ? paths
  : paths.filter((path) => wanted.split(",").includes(basename(path, ".ipynb")));
if (chosen.length < paths.length) {
  console.log(
    `${paths.length - chosen.length} of ${paths.length} notebooks are left to deno task test:notebooks`,
  );
}

Deno.test("the notebooks to run exist", () => assert(chosen.length > 0, `QUANTBOOK_NOTEBOOKS is ${wanted}`));

for (const path of chosen) {
  Deno.test(basename(path), { ignore: onSoftwareGpu }, async () => {
    const { error } = await runAsModule(await readNotebook(path), path);
    if (error !== null) fail(error);
  });
}
