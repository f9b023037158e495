/** PyTorch's linear layer in a Python process, when installed: what most readers compare with. */

/** Shape of a linear layer. */
export interface LinearShape {
  readonly rows: number;
  readonly out: number;
  readonly inner: number;
}

const program = `
import json, sys, time, torch
shapes, threads, seconds = json.loads(sys.argv[1])
torch.set_num_threads(threads)
torch.manual_seed(0)
results = []
for shape in shapes:
    x, w = torch.rand(shape["rows"], shape["inner"]) - 0.5, torch.rand(shape["out"], shape["inner"]) - 0.5
    best, end = float("inf"), time.perf_counter() + seconds
    with torch.inference_mode():
        while time.perf_counter() < end:
            start = time.perf_counter()
            torch.nn.functional.linear(x, w)
            best = min(best, time.perf_counter() - start)
    results.append(best)
print(json.dumps({"version": torch.__version__, "seconds": results}))
`;

/** Best time of each shape; null where Python or PyTorch is missing. */
export async function timeTorch(
  shapes: readonly LinearShape[],
  threads: number,
  seconds: number,
): Promise<{ version: string; seconds: number[] } | null> {
  try {
    const { success, stdout } = await new Deno.Command("python3", {
      args: ["-c", program, JSON.stringify([shapes, threads, seconds])],
      stderr: "null",
    }).output();
    return success ? JSON.parse(new TextDecoder().decode(stdout)) : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
