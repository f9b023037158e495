/** Feeds a reader with seeded inputs and says what it did that a reader must not do. */
import { QuantbookError } from "../../base/error.ts";
import { mutate, randomOf } from "./mutate.ts";
import { type Target, targets } from "./targets.ts";

/** What a run found. */
export interface FuzzResult {
  /** Inputs read. */
  readonly inputs: number;
  /** Inputs accepted. */
  readonly accepted: number;
  /** Errors that are not typed, by input. */
  readonly crashes: readonly { readonly seed: number; readonly error: string }[];
  /** Inputs that took over a second. */
  readonly hangs: readonly { readonly seed: number; readonly seconds: number }[];
  /** The longest time of one input. */
  readonly slowestSeconds: number;
}

/** Files above this are no seeds: edits would be lost in them. */
const seedBytes = 1 << 15;

const read = new Map<Target, Promise<Uint8Array[]>>();

/** The seeds of a reader, in the order of their names; their files are read once. */
export function seedsOf(target: Target): Promise<Uint8Array[]> {
  const known = read.get(target) ?? readSeeds(target);
  read.set(target, known);
  return known;
}

async function readSeeds({ seeds, made }: Target): Promise<Uint8Array[]> {
  const found = await made?.() ?? [];
  for (const folder of seeds) {
    const url = new URL(`../../fixtures/${folder}/`, import.meta.url);
    const names = Array.fromAsync(Deno.readDir(url), ({ name, isFile }) => isFile ? name : "");
    for (const name of (await names).sort()) {
      const bytes = name === "" ? new Uint8Array(0) : await Deno.readFile(new URL(name, url));
      if (bytes.length > 0 && bytes.length <= seedBytes) found.push(bytes);
    }
  }
  return found;
}

/** The input of a seed: what a crash or a hang is repeated with. */
export function inputOf(seeds: readonly Uint8Array[], seed: number): Uint8Array<ArrayBuffer> {
  return mutate(seeds, randomOf(seed));
}

async function readOnce(
  { read }: Target,
  input: Uint8Array<ArrayBuffer>,
): Promise<{ seconds: number; error: unknown }> {
  const start = performance.now();
  let error: unknown = null;
  try {
    await read(input);
  } catch (thrown) {
    error = thrown ?? new TypeError("nothing was thrown");
  }
  return { seconds: (performance.now() - start) / 1000, error };
}

/** Runs `count` inputs from seed `from` on. */
export async function fuzz(name: string, from: number, count: number): Promise<FuzzResult> {
  const target = targets[name], seeds = await seedsOf(target);
  const crashes: { seed: number; error: string }[] = [], hangs: { seed: number; seconds: number }[] = [];
  let accepted = 0, slowestSeconds = 0;
  for (let seed = from; seed < from + count; seed++) {
    const first = await readOnce(target, inputOf(seeds, seed));
    if (first.error === null) accepted++;
    else if (!(first.error instanceof QuantbookError)) {
      crashes.push({ seed, error: String(first.error).slice(0, 200) });
    }
    // A machine that is busy elsewhere is no hang: a slow input gets two more chances.
    let { seconds } = first;
    for (let chance = 0; seconds > 1 && chance < 2; chance++) {
      seconds = Math.min(seconds, (await readOnce(target, inputOf(seeds, seed))).seconds);
    }
    slowestSeconds = Math.max(slowestSeconds, seconds);
    if (seconds > 1) hangs.push({ seed, seconds });
  }
  if ("polluted" in {}) crashes.push({ seed: from, error: "Object.prototype was changed" });
  return { inputs: count, accepted, crashes, hangs, slowestSeconds };
}
