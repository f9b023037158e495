/** The random numbers must be CPython's, draw for draw. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { PythonRandom, RandomError, TorchRandom } from "./random.ts";

interface Vector {
  "randint(0,999999)x8": number[];
  "getrandbits32x4": number[];
}

Deno.test("the streams of CPython's random module (fixtures/vectors.json)", async () => {
  const text = await Deno.readTextFile(new URL("../fixtures/vectors.json", import.meta.url));
  const vectors: Record<string, Vector> = JSON.parse(text).python_random;
  assertEquals(Object.keys(vectors).length, 4);
  for (const [seed, vector] of Object.entries(vectors)) {
    const a = new PythonRandom(Number(seed));
    assertEquals(Array.from({ length: 8 }, () => a.randint(0, 999999)), vector["randint(0,999999)x8"]);
    const b = new PythonRandom(Number(seed));
    assertEquals(Array.from({ length: 4 }, () => b.getrandbits(32)), vector["getrandbits32x4"]);
  }
});

// The values below were printed by python3 3.11: random.seed(S) and then the calls in this order.
Deno.test("seeds and ranges over 32 bits", () => {
  const random = new PythonRandom(2 ** 40 + 12345);
  const wide = Array.from({ length: 4 }, () => random.randint(0, 2 ** 33));
  const narrow = Array.from({ length: 6 }, () => random.randint(-5, 5));
  assertEquals([...wide, ...narrow], [5627962909, 493462063, 2291790675, 876331094, 5, -4, 4, -1, -5, -2]);
});

Deno.test("random() and 53 bits", () => {
  const random = new PythonRandom(7);
  assertEquals([random.random(), random.random(), random.random()], [
    0.32383276483316237,
    0.15084917392450192,
    0.6509344730398537,
  ]);
  assertEquals(random.getrandbits(53), 7397381398802227);
});

Deno.test("shuffle, and sample from a small and a large list", () => {
  const random = new PythonRandom(3);
  const range = (n: number) => Array.from({ length: n }, (_, i) => i);
  const list = range(12);
  random.shuffle(list);
  assertEquals(list, [1, 7, 10, 0, 6, 11, 4, 5, 2, 8, 9, 3]);
  assertEquals(random.sample(range(10), 4), [7, 4, 3, 1]);
  assertEquals(random.sample(range(1000), 8), [734, 481, 553, 856, 562, 487, 406, 654]);
});

Deno.test("the state is regenerated after 624 words", () => {
  const random = new PythonRandom(5);
  let last = 0;
  for (let i = 0; i < 2000; i++) last = random.getrandbits(32);
  assertEquals(last, 2894893787);
});

Deno.test("bounds are checked and named", () => {
  assertThrows(() => new PythonRandom(-1), RandomError, "seed is -1");
  assertThrows(() => new PythonRandom(0.5), RandomError, "seed is 0.5");
  assertThrows(() => new PythonRandom(1).randint(3, 2), RandomError, "high is 2");
  assertThrows(() => new PythonRandom(1).sample([1, 2], 3), RandomError, "count is 3");
  assertThrows(() => new PythonRandom(1).getrandbits(54), RandomError, "bits is 54");
});

Deno.test("torch's signs and normal numbers are those that QuaRot's code drew", async () => {
  const { quarot } = JSON.parse(
    await Deno.readTextFile(
      new URL("../fixtures/expected/methods2/rotation-w4a8/vectors.json", import.meta.url),
    ),
  );
  const { n, signs }: { n: number; signs: Record<string, number[]> } = quarot["hadamard.seeds"];
  for (const [seed, expected] of Object.entries(signs)) {
    assertEquals([...new TorchRandom(Number(seed)).signs(n)], expected);
  }
  const { seed, gaussian }: { seed: number; gaussian: number[][] } = quarot["orthogonal.random"];
  const drawn = new TorchRandom(seed).normals(gaussian.flat().length);
  for (const [i, value] of gaussian.flat().entries()) assertAlmostEquals(drawn[i], value, 1e-14);
});
