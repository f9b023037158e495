/** Runs mutants against the tests beside their files, in a copy of the project. */
import { dirname } from "node:path";
import { hashOf } from "../../base/hash.ts";
import { PythonRandom } from "../../base/random.ts";
import { type Mutant, mutantsOf, mutated } from "./mutants.ts";
import { type Imports, importsOf, testsOf } from "./tests.ts";

/** A mutant in its place. */
export interface Planted extends Mutant {
  /** The file. */
  readonly path: string;
  /** The line where it begins, from 1. */
  readonly line: number;
  /** The lines as they were, and as they are. */
  readonly before: string;
  readonly after: string;
}

/** What became of a mutant: tests failed, they did not end, or they passed. */
export type Fate = "died" | "timed out" | "survived";

/** A mutant that ran. */
export interface Verdict extends Planted {
  readonly fate: Fate;
  readonly seconds: number;
  /** The tests that it met. */
  readonly tests: readonly string[];
  /** Hash of the file and of the tests. */
  readonly stamp: string;
}

/** Every file of the project that git knows or would take. */
export async function projectFiles(root: string): Promise<string[]> {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard"];
  const { stdout } = await new Deno.Command("git", { args, cwd: root }).output();
  const paths = new TextDecoder().decode(stdout).split("\n").filter((path) => path !== "");
  const there = await Promise.all(
    paths.map((path) => Deno.lstat(`${root}/${path}`).then(() => true, () => false)),
  );
  return paths.filter((_, i) => there[i]);
}

/** A copy of the project in a folder of its own, which goes when it is disposed of. Fixtures, which no test writes to, are linked. */
export async function copyOf(
  root: string,
  files: readonly string[],
): Promise<AsyncDisposable & { readonly root: string }> {
  const copy = await Deno.makeTempDir({ prefix: "mutation-" });
  for (const folder of new Set(files.map(dirname))) {
    if (!folder.startsWith("fixtures")) await Deno.mkdir(`${copy}/${folder}`, { recursive: true });
  }
  await Promise.all(
    files.filter((path) => !path.startsWith("fixtures/")).map((path) =>
      Deno.copyFile(`${root}/${path}`, `${copy}/${path}`)
    ),
  );
  await Deno.symlink(await Deno.realPath(`${root}/fixtures`), `${copy}/fixtures`);
  return { root: copy, [Symbol.asyncDispose]: () => Deno.remove(copy, { recursive: true }) };
}

/** All mutants of the files under `prefixes`, tests and their support left out. */
export async function plantedIn(
  root: string,
  files: readonly string[],
  prefixes: readonly string[],
): Promise<Planted[]> {
  const found: Planted[] = [];
  for (const path of files) {
    const isSource = path.endsWith(".ts") && !/_(?:test|testing|bench)\.ts$|\.d\.ts$/.test(path);
    if (!isSource || !prefixes.some((prefix) => path.startsWith(prefix))) continue;
    const source = await Deno.readTextFile(`${root}/${path}`);
    for (const mutant of mutantsOf(path, source)) found.push(placed(path, source, mutant));
  }
  return found;
}

function placed(path: string, source: string, mutant: Mutant): Planted {
  const start = source.lastIndexOf("\n", mutant.start - 1) + 1, end = source.indexOf("\n", mutant.end);
  const rest = source.slice(mutant.end, end < 0 ? undefined : end);
  return {
    ...mutant,
    path,
    line: source.slice(0, start).split("\n").length,
    before: source.slice(start, mutant.end) + rest,
    after: source.slice(start, mutant.start) + mutant.text + rest,
  };
}

/** A seeded sample in the order of its draw: whoever asks for more gets the same ones first. */
export function sampleOf<T>(all: readonly T[], count: number, seed: number): T[] {
  const shuffled = [...all];
  new PythonRandom(seed).shuffle(shuffled);
  return shuffled.slice(0, count);
}

/** Runs mutants one by one in a copy. */
export class Mutator {
  readonly #baselines = new Map<string, number>();
  #child: Deno.ChildProcess | null = null;
  #stopped = false;

  private constructor(
    private readonly root: string,
    private readonly imports: Imports,
    private readonly say: (line: string) => void,
    private readonly patience: number,
  ) {}

  /** Opens a copy of the project; tests get `patience` seconds, and five times as long as without a mutant. */
  static async open(
    root: string,
    files: readonly string[],
    say: (line: string) => void,
    patience = 30,
  ): Promise<Mutator> {
    return new Mutator(
      root,
      await importsOf(root, files.filter((path) => path.endsWith(".ts"))),
      say,
      patience,
    );
  }

  /** Ends the tests that run; the run that waits for them gives null. */
  stop(): void {
    this.#stopped = true;
    try {
      this.#child?.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }

  /** Hash of a mutant's file and of its tests: while it is the same, so is what becomes of the mutant. */
  async stamp({ path }: Planted): Promise<string> {
    const paths = [path, ...testsOf(path, this.imports)];
    return hashOf(await Promise.all(paths.map((one) => Deno.readTextFile(`${this.root}/${one}`))));
  }

  /**
   * Runs a mutant; null where it was stopped.
   *
   * @throws {Error} where the tests fail without it, or there are none
   */
  async run(mutant: Planted): Promise<Verdict | null> {
    const tests = testsOf(mutant.path, this.imports), name = tests.join();
    if (tests.length === 0) throw new Error(`${mutant.path} has no test that imports it`);
    let base = this.#baselines.get(name);
    if (base === undefined) {
      const { fate, seconds } = await this.#test(tests, 3600);
      if (this.#stopped) return null;
      if (fate !== "survived") throw new Error(`${tests.join(" ")} without a mutant: ${fate}`);
      this.#baselines.set(name, base = seconds);
      this.say(`${mutant.path}: ${tests.join(" ")} in ${seconds.toFixed(1)} s`);
    }
    const stamp = await this.stamp(mutant);
    const path = `${this.root}/${mutant.path}`, source = await Deno.readTextFile(path);
    try {
      await Deno.writeTextFile(path, mutated(source, mutant));
      const found = await this.#test(tests, Math.max(this.patience, 5 * base));
      return this.#stopped ? null : { ...mutant, ...found, tests, stamp };
    } finally {
      await Deno.writeTextFile(path, source);
    }
  }

  /** Runs tests; they may take so many seconds of a processor, or where that is not known of the clock. */
  async #test(tests: readonly string[], patience: number): Promise<{ fate: Fate; seconds: number }> {
    const start = performance.now();
    const child = new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--quiet", "--no-check", "--no-lock", "--fail-fast", ...tests],
      cwd: this.root,
      env: { QUANTBOOK_THREADS: "1", NO_COLOR: "1" },
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#child = child;
    let isLate = false, seconds = 0;
    const timer = setInterval(() => {
      seconds = processorSeconds(child.pid) ?? (performance.now() - start) / 1000;
      if (seconds <= patience || isLate) return;
      isLate = true;
      child.kill("SIGKILL");
    }, 200);
    const { success } = await child.status;
    clearInterval(timer);
    this.#child = null;
    return { fate: isLate ? "timed out" : success ? "survived" : "died", seconds };
  }
}

/** What a process has had of a processor, which does not depend on what else runs; null where the system does not say. */
function processorSeconds(pid: number): number | null {
  try {
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
    // utime and stime, in hundredths of a second.
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return null;
  }
}
