/** The peer that most readers compare with: PyTorch in a Python process, when installed. */
import { pathOf } from "../base/file.ts";

/**
 * What a script of `bench/torch/` printed as JSON; null, with a line that says so, where Python or PyTorch is missing.
 *
 * @throws {Error} if PyTorch is there and the script fails all the same.
 */
export async function runTorch<T>(script: string, ...args: (string | number)[]): Promise<T | null> {
  const path = pathOf(new URL(`./torch/${script}.py`, import.meta.url));
  const env = { PYTHONDONTWRITEBYTECODE: "1" };
  try {
    const found = await new Deno.Command("python3", { args: ["-c", "import torch"], stderr: "null" })
      .output();
    if (found.success) {
      const { success, stdout } = await new Deno.Command("python3", {
        args: [path, ...args.map(String)],
        env,
        stderr: "inherit",
      }).output();
      if (!success) throw new Error(`bench/torch/${script}.py failed`);
      return JSON.parse(new TextDecoder().decode(stdout));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  console.log("PyTorch: not found (pip install torch==2.13.0), skipped");
  return null;
}
