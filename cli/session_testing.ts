/** The session of docs/command-line.md, block by block in an empty folder: each must end well and print what stands below it, digits aside. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { pathOf, readText } from "../base/file.ts";
import { loadModel } from "../model/load.ts";
import { readScheme } from "../quant/notation/scheme.ts";
import { quantize } from "../quant/quantize.ts";
import { type Outcome, shell } from "./call_testing.ts";

const root = pathOf(new URL("../", import.meta.url));

/** A text whose numbers and widths are left out: another machine measures the same, not in the same time. */
function shapeOf(text: string): string {
  return text.trim().replaceAll(/\d+(?:\.\d+)?(?:e[+-]?\d+)?/g, "#").replaceAll(/ +/g, " ");
}

/** Runs the blocks; those of TypeScript, which fetch a runtime, only with `runtimes`. */
export async function runSession(
  test: Deno.TestContext,
  { runtimes }: { readonly runtimes: boolean },
): Promise<void> {
  const text = await readText(`${root}docs/command-line.md`), folder = await Deno.makeTempDir();
  const session = text.slice(text.indexOf("## From an empty folder"));
  const blocks = [
    ...session.matchAll(/^```(sh|ts)(?: ignore)?\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```/gm),
  ];
  assert(blocks.length >= 6 && blocks.some(([, kind]) => kind === "ts"), `${blocks.length} blocks`);
  try {
    for (const [, kind, code, printed] of blocks) {
      if (kind === "ts" && !runtimes) continue;
      await test.step(code.trim().split("\n")[0], async () => {
        const { code: exit, stdout, stderr } = kind === "sh"
          ? await shell(code, folder)
          : await program(code, folder);
        assertEquals(exit, 0, stderr);
        assertEquals(shapeOf(stdout), shapeOf(printed));
        if (kind === "ts") await assertOwnLogits(folder, stdout);
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function program(code: string, folder: string): Promise<Outcome> {
  await Deno.writeTextFile(`${folder}/run.ts`, code);
  return await shell(
    `"${Deno.execPath()}" run -A --no-check --quiet --no-lock run.ts`,
    folder,
  );
}

/**
 * Holds the token and the logit that the runtime printed to the suite's own. Two sums of float32 over the same 8-bit weights: logits
 * of some units differ by rounding, far less than 1e-2, which a wrong scale or a swapped row would exceed.
 */
async function assertOwnLogits(folder: string, printed: string): Promise<void> {
  using model = await loadModel(`${folder}/float/model.gguf`);
  using quantized = await quantize(model, readScheme("weights=rtn:8:g32"));
  const logits = await quantized.logits(Int32Array.of(1, 17, 42, 256));
  const last = logits.slice(-model.architecture.vocabularySize), most = Math.max(...last);
  const [, token, logit] = /next token (\d+) with (\S+)/.exec(printed) ?? [];
  assertEquals(Number(token), last.indexOf(most));
  assertAlmostEquals(Number(logit), most, 1e-2);
}
