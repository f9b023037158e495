/** A new user's session from an empty folder (docs/command-line.md), but for what fetches a runtime; a first measurement from an empty cache. */
import { assertEquals, assertLess } from "@std/assert";
import { quantbook } from "./call_testing.ts";
import { runSession } from "./session_testing.ts";

Deno.test({
  name: "the session of docs/command-line.md",
  ignore: Deno.build.os === "windows",
  fn: (test) => runSession(test, { runtimes: false }),
});

Deno.test("a first measurement, nothing cached, takes less than a minute", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const caches = { QUANTBOOK_CACHE: `${folder}/results`, HF_HOME: `${folder}/hub`, XDG_CACHE_HOME: folder };
    const start = performance.now(),
      { code, stderr } = await quantbook(["measure", "fixture:llama"], folder, caches);
    assertEquals(code, 0, stderr);
    assertLess((performance.now() - start) / 1000, 60);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
