/** Which tests are beside a file: its own, those of its folder, and where it has none the nearest that import it. */
import { dirname, join } from "node:path";

/** Files of the project by path, with the relative paths that each imports. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** What each TypeScript file imports by a relative specifier. */
export async function importsOf(root: string, paths: readonly string[]): Promise<Imports> {
  const found = new Map<string, readonly string[]>();
  for (const path of paths) {
    const text = await Deno.readTextFile(`${root}/${path}`);
    const targets = Array.from(
      text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g),
      ([, target]) => join(dirname(path), target).replaceAll("\\", "/"),
    );
    found.set(path, targets);
  }
  return found;
}

/**
 * The tests that a mutant of `path` meets, its own first: `FILE_test.ts`, the tests of the folder `FILE/`, those of its own folder that
 * reach it within two imports, and of a method the comparison with the original code. Where there is none, the nearest of its floor.
 */
export function testsOf(path: string, imports: Imports, most = 2): string[] {
  const stem = path.replace(/\.ts$/, ""), folder = dirname(path);
  const tests = [...imports.keys()].filter((one) =>
    one.endsWith("_test.ts") && !one.endsWith("_heavy_test.ts")
  );
  const steps = stepsTo(path, imports);
  const near = (one: string) => steps.get(one) ?? Infinity;
  const name = /^quant\/methods\/(\w+)$/.exec(stem)?.[1];
  const beside = tests.filter((one) =>
    one === `${stem}_test.ts` || one === `eval/oracle/${name}_test.ts` || dirname(one) === stem ||
    dirname(one) === folder && near(one) <= 2 || one === `${folder}_test.ts`
  );
  const floor = tests.filter((one) =>
    one.startsWith(path.slice(0, path.indexOf("/") + 1)) && near(one) < Infinity
  );
  const others = floor.length > 0 ? floor : tests.filter((one) => near(one) < Infinity);
  const least = Math.min(...others.map(near));
  const chosen = beside.length > 0 ? beside : others.filter((one) => near(one) === least);
  return chosen.sort((a, b) =>
    Number(b === `${stem}_test.ts`) - Number(a === `${stem}_test.ts`) || near(a) - near(b)
  )
    .slice(0, most);
}

/** How many imports lead from each file to `path`. */
function stepsTo(path: string, imports: Imports): Map<string, number> {
  const importers = new Map<string, string[]>();
  for (const [one, targets] of imports) {
    for (const target of targets) importers.set(target, [...importers.get(target) ?? [], one]);
  }
  const steps = new Map([[path, 0]]);
  for (const [one, far] of steps) {
    for (const importer of importers.get(one) ?? []) if (!steps.has(importer)) steps.set(importer, far + 1);
  }
  return steps;
}
