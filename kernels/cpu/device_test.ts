/** Tests of what only the CPU device has: threads, and how they end. The operations are tested in `../device_test.ts`. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { DeviceError } from "../error.ts";
import { cpuDevice } from "./device.ts";

const module = new URL("./device.ts", import.meta.url).href;

/** Runs a program in a process of its own, which must end within ten seconds. */
async function runProgram(source: string, flags: string[] = ["-A"], env: Record<string, string> = {}) {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", ...flags, `data:text/typescript,${encodeURIComponent(source)}`],
    env,
    signal: AbortSignal.timeout(10_000),
  }).output();
  return { success, output: new TextDecoder().decode(stdout), errors: new TextDecoder().decode(stderr) };
}

const program = `
  import { cpuDevice } from ${JSON.stringify(module)};
  const device = await cpuDevice();
  using x = device.upload(new Float32Array(200_000).fill(-1));
  device.activate("silu", x);
  device.activate("relu", x);
  console.log(device.threads, await device.read(x, 199_999));
`;

Deno.test("cpuDevice: threads that nobody stopped do not keep the program alive", async () => {
  const { success, output } = await runProgram(program, ["-A"], { QUANTBOOK_THREADS: "3" });
  assertEquals([success, output.trim()], [true, "3 Float32Array(1) [ 0 ]"]);
});

Deno.test("cpuDevice: needs no permission but to read its own files", async () => {
  const here = pathOf(new URL(".", import.meta.url));
  const { output, errors } = await runProgram(program, [
    "--no-prompt",
    `--allow-read=${here}`,
    "--allow-import",
  ]);
  assertStringIncludes(output, "Float32Array(1) [ 0 ]", errors);
});

Deno.test("cpuDevice: several devices at once, disposed of in any order and twice", async () => {
  const first = await cpuDevice({ threads: 2 });
  using second = await cpuDevice({ threads: 3 });
  for (const device of [first, second]) {
    using x = device.upload(new Float32Array(300_000).fill(2));
    device.multiply(x, x);
    assertEquals((await device.read(x)).every((value) => value === 4), true);
  }
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assertEquals(second.threads, 3);
});

Deno.test("cpuDevice: a number of threads that makes no sense", async () => {
  for (const threads of [0, 1.5, NaN, 1000]) {
    await assertRejects(
      () => cpuDevice({ threads }),
      DeviceError,
      `threads is ${threads}: expected an integer`,
    );
  }
  const { errors } = await runProgram(program, ["-A"], { QUANTBOOK_THREADS: "two" });
  assertStringIncludes(errors, "QUANTBOOK_THREADS is NaN: expected an integer, 1 to 256");
});
