/**
 * Kills a process that quantizes at random instants and starts it again until it ends. Run as a program it is that process:
 * `kill_testing.ts SCHEME RESUME` prints what it does and, at the end, the hash of what it made.
 */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { sha256Hex } from "../../base/hash.ts";
import { pathOf } from "../../base/file.ts";
import type { PythonRandom } from "../../base/random.ts";
import { layerLinears } from "../../model/architecture.ts";
import { loadModel } from "../../model/load.ts";
import { readScheme } from "../notation/scheme.ts";
import { quantize } from "../quantize.ts";

const windows = [1, 2, 3, 4].map((w) =>
  Int32Array.from({ length: 128 }, (_, i) => 1 + (37 * i * w + i) % 500)
);

async function child(scheme: string, resume: string | undefined): Promise<void> {
  using model = await loadModel("fixture:llama");
  using made = await quantize(model, readScheme(scheme), {
    calibration: windows,
    ...resume && { resume },
    onProgress: (message) => console.log(message),
  });
  const hashes = [sha256Hex(new Uint8Array((await made.logits(windows[0])).buffer))];
  for (let layer = 0; layer < model.architecture.layers; layer++) {
    for (const { role } of layerLinears(model.architecture, layer)) {
      const values = await made.linear(layer, role).values();
      hashes.push(sha256Hex(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)));
    }
  }
  console.log(`made ${sha256Hex(new TextEncoder().encode(hashes.join()))}`);
}

/** What a run of the child said, and whether it was killed. */
interface Run {
  readonly lines: readonly string[];
  readonly killed: boolean;
  readonly seconds: number;
}

async function run(scheme: string, resume: string, killAfter: number | null): Promise<Run> {
  const start = performance.now(), script = pathOf(new URL(import.meta.url));
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", script, scheme, resume],
    env: { QUANTBOOK_THREADS: "1", NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = killAfter === null ? undefined : setTimeout(() => {
    try {
      process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }, 1000 * killAfter);
  const { code, signal, stdout, stderr } = await process.output();
  clearTimeout(timer);
  const killed = signal === "SIGKILL";
  if (!killed) assertEquals(code, 0, new TextDecoder().decode(stderr));
  const lines = new TextDecoder().decode(stdout).split("\n").slice(0, -1);
  return { lines, killed, seconds: (performance.now() - start) / 1000 };
}

/** The layers that a run worked on, with the stage: of `awq 3.mlp ratio 0.5` and `gptq model.layers.3...`. */
function layersOf({ lines }: Run): Set<string> {
  return new Set(
    lines.flatMap((line) => /^(?!kept)\w+ (?:model\.layers\.|layer )?\d+/.exec(line)?.[0] ?? []),
  );
}

/**
 * Quantizes with each scheme in turn, killed again and again, until so many kills are done; every result must be that of a process that
 * nobody killed, and no run may work on more than one layer that an earlier one has worked on.
 */
export async function killAgainAndAgain(
  schemes: readonly string[],
  kills: number,
  random: PythonRandom,
): Promise<void> {
  let done = 0;
  for (let turn = 0; done < kills; turn++) {
    const scheme = schemes[turn % schemes.length], resume = await Deno.makeTempDir();
    try {
      const plain = await run(scheme, "", null), worked = new Set<string>();
      assert(layersOf(plain).size >= 4, plain.lines.join("\n"));
      for (;;) {
        const killAfter = done < kills ? plain.seconds * (0.2 + 0.9 * random.random()) : null;
        const one = await run(scheme, resume, killAfter), layers = layersOf(one);
        assertLessOrEqual(
          layers.intersection(worked).size,
          1,
          `${scheme}: ${[...layers]} after ${[...worked]}`,
        );
        for (const layer of layers) worked.add(layer);
        if (one.killed) {
          done++;
          continue;
        }
        assertEquals(one.lines.at(-1), plain.lines.at(-1), scheme);
        break;
      }
    } finally {
      await Deno.remove(resume, { recursive: true });
    }
  }
}

if (import.meta.main) {
  await child(Deno.args[0], Deno.args[1]);
  Deno.exit(0);
}
