import { assert, assertEquals, assertThrows } from "@std/assert";
import { DeviceError } from "../error.ts";
import { Heap } from "./heap.ts";

Deno.test("Heap: pieces are aligned, do not overlap and survive growth; freed neighbours become one piece", () => {
  const heap = new Heap();
  const live: { address: number; bytes: number; mark: number }[] = [];
  let state = 1;
  const next = (below: number) => (state = (state * 48271) % 0x7fffffff) % below;
  const check = ({ address, bytes, mark }: typeof live[number]) => {
    const floats = heap.floats.subarray(address / 4, address / 4 + bytes / 4);
    assert(floats.every((x) => x === mark), `piece ${mark} was overwritten`);
  };
  for (let mark = 1; mark < 1500; mark++) {
    if (live.length > 0 && next(5) < 2) {
      const [piece] = live.splice(next(live.length), 1);
      check(piece);
      heap.free(piece.address, piece.bytes);
    } else {
      const bytes = 4 * (1 + next(5000));
      const address = heap.allocate(bytes);
      assertEquals(address % 64, 0);
      heap.floats.fill(mark, address / 4, address / 4 + bytes / 4);
      live.push({ address, bytes, mark });
    }
  }
  for (const piece of live) {
    check(piece);
    heap.free(piece.address, piece.bytes);
  }
  const grown = heap.memory.buffer.byteLength;
  heap.allocate(grown - 65536);
  assertEquals(heap.memory.buffer.byteLength, grown, "all that was freed is one piece again");
});

Deno.test("Heap: a view taken before growth keeps its data, a new one covers all memory", () => {
  const heap = new Heap();
  const address = heap.allocate(64);
  const before = heap.floats;
  before[address / 4] = 3;
  const big = heap.allocate(10_000_000);
  heap.floats[big / 4 + 2_499_999] = 4;
  assertEquals([heap.floats[address / 4], before[address / 4]], [3, 3]);
});

Deno.test("Heap: more than 4 GiB is refused with a DeviceError, and the heap stays usable", () => {
  const heap = new Heap();
  const error = assertThrows(
    () => heap.allocate(2 ** 32),
    DeviceError,
    "out of memory: 4294967296 bytes wanted",
  );
  assertEquals(error.code, "memory");
  assert(heap.allocate(100) > 0);
});
