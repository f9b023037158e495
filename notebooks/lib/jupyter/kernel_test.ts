import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { DenoKernel, KernelError } from "./kernel.ts";
import { ROOT } from "../notebook/files.ts";

function isAlive(pid: number): boolean {
  try {
    // A process that has ended but was not waited for still has an entry, in state Z.
    return !/^State:\s+[ZX]/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

Deno.test({
  name: "a kernel ends with its client, even when the client is killed",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const client = `
      import { DenoKernel } from ${JSON.stringify(import.meta.resolve("./kernel.ts"))};
      const kernel = await DenoKernel.start();
      const code = "console.log(Deno.pid); await new Promise(() => {})";
      await kernel.execute(code, ({ content }) => content.text && console.log(content.text));`;
    const args = ["eval", "--quiet", "--ext=ts", client];
    const process = new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stdout: "piped" }).spawn();
    const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const pid = Number((await reader.read()).value);
    assert(isAlive(pid));
    process.kill("SIGKILL");
    await process.status;
    await reader.cancel();
    const deadline = Date.now() + 20_000;
    while (isAlive(pid) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
    assertEquals(isAlive(pid), false);
  },
});

Deno.test("disposal ends the process and removes its connection file", async () => {
  let pid = 0;
  {
    await using kernel = await DenoKernel.start();
    await kernel.execute("console.log(Deno.pid)", ({ content }) => pid = Number(content.text));
    assertEquals((await kernel.languageInfo()).name, "typescript");
  }
  assert(pid > 0);
  if (Deno.build.os === "linux") assertEquals(isAlive(pid), false);
});

Deno.test("a kernel that cannot start says why", async () => {
  const error = await assertRejects(() => DenoKernel.start({ cwd: join(ROOT, "nowhere") }));
  assert(error instanceof Deno.errors.NotFound || error instanceof KernelError);
});
