import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type PlannedCell, SweepError } from "./manifest.ts";
import { cellsOfShard, parseShard } from "./shard.ts";

function cellOf(seconds: number, index: number): PlannedCell {
  const hash = String(index);
  return {
    key: hash,
    model: "m",
    label: hash,
    scheme: {},
    windows: hash,
    calibration: hash,
    execution: "simulated",
    predicted: { seconds, bytes: 1 },
  };
}

Deno.test("shards are a partition into runs of neighbours, none longer than its share and one cell", () => {
  fc.assert(fc.property(
    fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 60 }),
    fc.integer({ min: 1, max: 70 }),
    (times, count) => {
      const cells = times.map(cellOf);
      const shards = Array.from({ length: count }, (_, index) => cellsOfShard(cells, { index, count }));
      assertEquals(shards.flat(), cells);
      const total = times.reduce((sum, time) => sum + time, 0), longest = Math.max(...times);
      for (const shard of shards) {
        const seconds = shard.reduce((sum, { predicted }) => sum + predicted.seconds, 0);
        assert(seconds <= (total / count + longest) * (1 + 1e-9));
      }
    },
  ));
});

Deno.test("cells that take the same time are dealt evenly", () => {
  const cells = Array.from({ length: 200 }, (_, i) => cellOf(1, i));
  for (const count of [1, 2, 4, 8, 200]) {
    for (let index = 0; index < count; index++) {
      assertEquals(cellsOfShard(cells, { index, count }).length, 200 / count);
    }
  }
});

Deno.test("a shard is i/n with i below n", () => {
  assertEquals(parseShard("3/4"), { index: 3, count: 4 });
  for (const text of ["4/4", "0/0", "-1/4", "1", "1/4/2", "a/b", "", "1.5/4", " 1/4"]) {
    const error = assertThrows(
      () => parseShard(text),
      SweepError,
      `shard is ${JSON.stringify(text)}: expected i/n`,
    );
    assertEquals(error.code, "shard");
  }
});
