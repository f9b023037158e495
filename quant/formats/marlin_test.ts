import { assertEquals, assertThrows } from "@std/assert";
import { type NibbleKind, packNibbles, tilePermutation } from "./marlin.ts";
import { SchemeError } from "../error.ts";

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

Deno.test("words are those of the original packer (check values of SPEC-2, section 20.9)", () => {
  const inputs = 128, out = 64;
  const pack = (code: (k: number, n: number) => number, kind: NibbleKind) => {
    const codes = Int8Array.from(
      { length: out * inputs },
      (_, i) => code(i % inputs, Math.floor(i / inputs)),
    );
    return packNibbles(codes, out, inputs, kind);
  };
  const hex = (words: Uint32Array) => [...words].map((word) => word.toString(16).padStart(8, "0"));
  const channel = pack((k, n) => (3 * k + 5 * n) % 15 - 7, "channel");
  assertEquals(channel.length, 8 * 128);
  assertEquals(hex(channel.subarray(0, 4)), ["2dfac693", "724f1ce9", "d7a4613e", "2dfac693"]);
  assertEquals(hex(Uint32Array.of(crc32(new Uint8Array(channel.buffer)))), ["e810363b"]);
  const group = pack((k, n) => (3 * k + 5 * n) % 16 - 8, "group");
  assertEquals(hex(group.subarray(0, 4)), new Array(4).fill("1b93e860"));
  assertEquals(hex(Uint32Array.of(crc32(new Uint8Array(group.buffer)))), ["5b751c8c"]);
});

Deno.test("the permutation is one, and starts as the original's", () => {
  assertEquals([...tilePermutation("channel").subarray(0, 9)], [8, 0, 24, 16, 40, 32, 56, 48, 264]);
  assertEquals([...tilePermutation("group").subarray(0, 9)], [0, 32, 8, 40, 16, 48, 24, 56, 256]);
  for (const kind of ["channel", "group"] as const) {
    assertEquals([...tilePermutation(kind)].sort((a, b) => a - b), Array.from({ length: 1024 }, (_, i) => i));
  }
});

Deno.test("sizes without tiles are refused", () => {
  assertThrows(() => packNibbles(new Int8Array(64 * 64), 64, 64, "channel"), SchemeError, "64 x 64");
});
