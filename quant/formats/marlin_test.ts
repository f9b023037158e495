import { assertEquals, assertThrows } from "@std/assert";
import vectors from "../../fixtures/expected/methods2/rotation-w4a8/w4a8.json" with { type: "json" };
import { readSafetensors } from "../../model/safetensors.ts";
import { fixture } from "../../base/fixture.ts";
import { UniformWeight } from "../weights/uniform.ts";
import {
  type NibbleKind,
  packMarlin,
  packNibbles,
  readMarlin,
  scalePermutation,
  tilePermutation,
  unpackNibbles,
} from "./marlin.ts";
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
  assertEquals([...tilePermutation("marlin").subarray(0, 9)], [0, 128, 8, 136, 16, 144, 24, 152, 256]);
  for (const kind of ["marlin", "channel", "group"] as const) {
    assertEquals([...tilePermutation(kind)].sort((a, b) => a - b), Array.from({ length: 1024 }, (_, i) => i));
  }
});

Deno.test("sizes without tiles are refused", () => {
  assertThrows(() => packNibbles(new Int8Array(64 * 64), 64, 64, "channel"), SchemeError, "64 x 64");
});

function bytesOf(values: Uint32Array | Float16Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

Deno.test("MARLIN's words and scales are those of the original packer, and are read back", () => {
  assertEquals(scalePermutation(true), vectors.marlin.scalePerm);
  assertEquals(scalePermutation(false), vectors.marlin.scalePermSingle);
  for (const { k, n, group, B_crc32, B_first, B_last, s_crc32, s_first } of vectors.marlin.pack) {
    const groupSize = group === -1 ? k : group, groups = k / groupSize;
    const codes = Uint8Array.from({ length: k * n }, (_, i) => (3 * (i % k) + 5 * Math.floor(i / k)) % 16);
    const scales = Float32Array.from(
      { length: n * groups },
      (_, i) => (Math.floor(i / groups) % 13 + 1) / 64 * (1 + i % groups),
    );
    const weight = new UniformWeight({ shape: [n, k], bits: 4, groupSize, codes, scales, zeros: 8 });
    const packed = packMarlin(weight),
      words = [...packed.words].map((word) => word.toString(16).padStart(8, "0"));
    assertEquals(words.slice(0, B_first.length), B_first);
    assertEquals(words.slice(-B_last.length), B_last);
    assertEquals(crc32(bytesOf(packed.words)).toString(16).padStart(8, "0"), B_crc32);
    assertEquals([...packed.scales.subarray(0, s_first.length)], s_first);
    assertEquals(crc32(bytesOf(packed.scales)).toString(16).padStart(8, "0"), s_crc32);
    const again = readMarlin(packed);
    assertEquals(again.codes(), codes);
    assertEquals(again.scales, scales);
  }
});

Deno.test("a layer that the original quantized and packed is read as its codes and scales", async () => {
  for (const [model, id] of [["llama", "marlin-g128-clip"], ["llama-outlier", "marlin-row"]]) {
    const tensors = await readSafetensors(
      await fixture(`expected/methods2/rotation-w4a8/${model}.safetensors`),
    );
    const part = (name: string) => tensors.get(`${id}.layers.0.q_proj.${name}`)?.data;
    const words = new Uint32Array((part("B") as Int32Array).buffer.slice(0)),
      half = part("s") as Float32Array;
    const weight = readMarlin({ shape: [256, 256], words, scales: new Float16Array(half) });
    const codes = part("codes") as Uint8Array, scales = part("scale") as Float32Array;
    assertEquals(weight.codes().subarray(0, codes.length), codes);
    assertEquals(weight.scales.subarray(0, scales.length), scales.map(Math.f16round));
    assertEquals(packMarlin(weight).words, words);
  }
});

Deno.test("nibbles are unpacked as they were packed, of every kind", () => {
  for (const [kind, least] of [["marlin", -8], ["channel", -7], ["group", -8]] as const) {
    const codes = Int8Array.from({ length: 128 * 64 }, (_, i) => (i * 37 % 101) % (8 - least) + least);
    assertEquals(unpackNibbles(packNibbles(codes, 64, 128, kind), 64, 128, kind), codes);
  }
  assertThrows(() => unpackNibbles(new Uint32Array(3), 64, 128, "marlin"), SchemeError, "3 words");
});

Deno.test("what MARLIN cannot say is refused", () => {
  const weight = (out: number, inputs: number, groupSize: number, zeros = 8, scale = 1) =>
    new UniformWeight({
      shape: [out, inputs],
      bits: 4,
      groupSize,
      codes: new Uint8Array(out * inputs),
      scales: new Float32Array(out * inputs / groupSize).fill(scale),
      zeros,
    });
  for (const { k, n } of vectors.marlin.shapes.slice(0, 2)) {
    assertThrows(() => packMarlin(weight(n, k, k)), SchemeError, `${n} x ${k}`);
  }
  assertThrows(() => packMarlin(weight(256, 256, 64)), SchemeError, "groupSize is 64");
  assertThrows(() => packMarlin(weight(256, 128, 128, 7)), SchemeError, "the zero at 8");
  assertThrows(() => packMarlin(weight(256, 128, 128, 8, 1e6)), SchemeError, "beyond float16");
  const { words } = packMarlin(weight(256, 256, 128));
  const odd = { shape: [256, 256] as const, words, scales: new Float16Array(3) };
  assertThrows(() => readMarlin(odd), SchemeError, "3 scales");
});
