import { assert, assertEquals, assertRejects } from "@std/assert";
import { packagedFixtures } from "../build/packaged.ts";
import { fixture, FixtureError } from "./fixture.ts";
import { exists, readText } from "./file.ts";

const root = new URL("../", import.meta.url);

Deno.test("the list of packaged fixtures is that of the files (deno run -A build/packaged.ts)", async () => {
  const listed = JSON.parse(await readText(new URL("fixtures/packaged.json", root)));
  assertEquals(listed, await packagedFixtures());
  const bytes = Object.values(await packagedFixtures()).reduce((sum, file) => sum + file.bytes, 0);
  assert(bytes < 12e6, `${bytes} bytes`);
});

Deno.test("a fixture that is not there is named, with where it is", async () => {
  const error = await assertRejects(
    () => fixture("models/none"),
    FixtureError,
    "fixtures/models/none is not in this package",
  );
  assert(error.message.includes("a checkout of the repository"));
});

Deno.test("behind an address, fixtures are fetched once, checked, and kept", async () => {
  const cache = await Deno.makeTempDir(), old = Deno.env.get("XDG_CACHE_HOME");
  const asked: string[] = [];
  let spoiled = false;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname.slice(1);
    asked.push(path);
    const file = await Deno.readFile(new URL(path, root)).catch(() => null);
    if (file === null) return new Response("no", { status: 404 });
    return new Response(spoiled && path.endsWith(".txt") ? file.slice(1) : file);
  });
  const there = new URL(`http://127.0.0.1:${server.addr.port}/fixtures/`);
  try {
    Deno.env.set("XDG_CACHE_HOME", cache);
    const directory = await fixture("models/llama-outlier", there);
    assert(await exists(`${directory}/outliers.json`));
    assertEquals(asked.filter((path) => path.endsWith("outliers.json")).length, 1);
    assertEquals(await fixture("models/llama-outlier", there), directory);
    assertEquals(asked.filter((path) => path.endsWith("outliers.json")).length, 1);
    await assertRejects(
      () => fixture("models/opt", there),
      FixtureError,
      "fixtures/models/opt is not in this package",
    );
    spoiled = true;
    await assertRejects(
      () => fixture("corpora/sotu.test.txt", there),
      FixtureError,
      "is not what the package lists",
    );
  } finally {
    if (old === undefined) Deno.env.delete("XDG_CACHE_HOME");
    else Deno.env.set("XDG_CACHE_HOME", old);
    await Deno.remove(cache, { recursive: true });
  }
});
