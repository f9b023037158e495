/** A short fuzz of every reader, and the fuzzer itself: seeded, and able to see a crash. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { mutate, randomOf } from "./mutate.ts";
import { fuzz, inputOf, seedsOf } from "./run.ts";
import { targets } from "./targets.ts";

for (const name of Object.keys(targets)) {
  Deno.test(`${name}: 250 seeded inputs are accepted or refused with a typed error`, async () => {
    const { crashes, hangs, inputs } = await fuzz(name, 1_000_000, 250);
    assertEquals({ crashes, hangs, inputs }, { crashes: [], hangs: [], inputs: 250 });
  });
}

Deno.test("an input is the same for the same seed and differs from the seeds it is made of", async () => {
  const seeds = await seedsOf(targets.safetensors);
  assert(seeds.length > 50);
  assertEquals(inputOf(seeds, 7), inputOf(seeds, 7));
  assertNotEquals(inputOf(seeds, 7), inputOf(seeds, 8));
  const random = randomOf(3);
  const changed = Array.from({ length: 100 }, () => mutate([Uint8Array.of(1, 2, 3, 4)], random));
  assert(changed.filter((bytes) => bytes.join() !== "1,2,3,4").length > 80);
});
