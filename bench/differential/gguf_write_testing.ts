/** Writes the file of a case of `gguf.py` again, from its seed: the same tensors to the byte, in one file or in parts. */
import { bytes, uniform } from "./counter.ts";
import type { GgufCase, MetaType } from "./gguf_case_testing.ts";

/** For each type of blocks: its number, weights and bytes of a block, where float16 scales lie and what part of the scale each is. */
const blocks: Readonly<Record<string, readonly [number, number, number, ...(readonly [number, number])[]]>> =
  {
    Q4_0: [2, 32, 18, [0, 1 / 8]],
    Q4_1: [3, 32, 20, [0, 1 / 8], [2, -1]],
    Q5_0: [6, 32, 22, [0, 1 / 16]],
    Q5_1: [7, 32, 24, [0, 1 / 16], [2, -1]],
    Q8_0: [8, 32, 34, [0, 1 / 127]],
    Q2_K: [10, 256, 84, [80, 1 / 22], [82, 1 / 15]],
    Q3_K: [11, 256, 110, [108, 1 / 128]],
    Q4_K: [12, 256, 144, [0, 1 / 480], [2, 1 / 63]],
    Q5_K: [13, 256, 176, [0, 1 / 976], [2, 1 / 63]],
    Q6_K: [14, 256, 210, [208, 1 / 4096]],
    IQ2_XXS: [16, 256, 66, [0, 1 / 166]],
    IQ2_XS: [17, 256, 74, [0, 1 / 166]],
    IQ3_XXS: [18, 256, 98, [0, 1 / 480]],
    IQ1_S: [19, 256, 50, [0, 1 / 17]],
    IQ4_NL: [20, 32, 18, [0, 1 / 127]],
    IQ3_S: [21, 256, 110, [0, 1 / 465]],
    IQ2_S: [22, 256, 82, [0, 1 / 166]],
    IQ4_XS: [23, 256, 136, [0, 1 / 4064]],
    IQ1_M: [29, 256, 56],
    TQ1_0: [34, 256, 54, [52, 1]],
    TQ2_0: [35, 256, 66, [64, 1 / 2]],
    MXFP4: [39, 32, 17],
    NVFP4: [40, 64, 36],
  };
const plain: Readonly<Record<string, number>> = { F32: 0, F16: 1, BF16: 30 };
const valueTypes = [
  "UINT8",
  "INT8",
  "UINT16",
  "INT16",
  "UINT32",
  "INT32",
  "FLOAT32",
  "BOOL",
  "STRING",
  "ARRAY",
  "UINT64",
  "INT64",
  "FLOAT64",
];
const alignment = 32;

interface Stored {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly number[];
  readonly data: Uint8Array<ArrayBuffer>;
}

/** The stored bytes of a tensor, little-endian. */
function stored(seed: number, [name, type, shape, scale, offset]: GgufCase["tensors"][number]): Stored {
  const count = shape.reduce((product, size) => product * size, 1);
  if (Object.hasOwn(plain, type)) {
    const values = uniform(seed, name, count, scale).map((value) => value + offset);
    const size = type === "F32" ? 4 : 2,
      data = new Uint8Array(count * size),
      view = new DataView(data.buffer);
    for (const [i, value] of values.entries()) {
      if (type === "F32") view.setFloat32(i * 4, value, true);
      else if (type === "F16") view.setFloat16(i * 2, value, true);
      else view.setUint16(i * 2, new Uint32Array(Float32Array.of(value).buffer)[0] >>> 16, true);
    }
    return { name, type: plain[type], shape, data };
  }
  const [id, block, size, ...scales] = blocks[type];
  const data = bytes(seed, name, count / block * size), view = new DataView(data.buffer);
  for (let at = 0; at < data.length; at += size) {
    for (const [place, part] of scales) {
      view.setFloat16(at + place, scale * part * (1 + (data[at + place] & 7) / 8), true);
    }
    if (type === "MXFP4") data[at] = 128 + Math.round(Math.log2(scale / 12)) + (data[at] & 1);
    if (type === "NVFP4") {
      for (let i = 0; i < 4; i++) {
        data[at + i] = (Math.round(Math.log2(scale / 12)) + 8) * 8 | data[at + i] & 7;
      }
    }
    if (type === "IQ1_M") {
      const word = new DataView(new ArrayBuffer(2));
      word.setFloat16(0, scale / 17 * (1 + (data[at + 48] & 7) / 8));
      for (let i = 0; i < 4; i++) {
        const high = at + 49 + 2 * i;
        data[high] = data[high] & 15 | (word.getUint16(0) >> 4 * i & 15) << 4;
      }
    }
  }
  return { name, type: id, shape, data };
}

/** Where big-endian files have words of two bytes turned around. */
const words: Readonly<Record<number, readonly number[]>> = { 2: [0], 8: [0], 12: [0, 2], 14: [208] };

function turned({ type, data }: Stored): Uint8Array<ArrayBuffer> {
  const copy = data.slice(), block = Object.values(blocks).find(([id]) => id === type);
  const size = block?.[2] ?? (type === 0 ? 4 : 2);
  for (let at = 0; at < copy.length; at += size) {
    if (block === undefined) copy.subarray(at, at + size).reverse();
    for (const word of words[type] ?? []) copy.subarray(at + word, at + word + 2).reverse();
  }
  return copy;
}

class Writer {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  constructor(private readonly little: boolean) {}

  put(part: Uint8Array): void {
    this.#parts.push(part);
    this.length += part.length;
  }

  number(type: string, value: number): void {
    const view = new DataView(new ArrayBuffer(8)), little = this.little;
    const [, kind, size] = /^(U?INT|FLOAT)(\d+)$/.exec(type) ?? ["", "BOOL", "8"];
    if (size === "64" && kind === "UINT") view.setBigUint64(0, BigInt(value), little);
    else if (size === "64" && kind === "INT") view.setBigInt64(0, BigInt(value), little);
    else if (size === "64") view.setFloat64(0, value, little);
    else if (kind === "FLOAT") view.setFloat32(0, value, little);
    else if (size === "32") view.setUint32(0, value >>> 0, little);
    else if (size === "16") view.setUint16(0, value, little);
    else view.setUint8(0, value);
    this.put(new Uint8Array(view.buffer, 0, Number(size) / 8));
  }

  text(value: string): void {
    const data = new TextEncoder().encode(value);
    this.number("UINT64", data.length);
    this.put(data);
  }

  value(type: MetaType, value: unknown): void {
    if (typeof type !== "string") {
      const list = Array.isArray(value) ? value : [];
      this.number("UINT32", valueTypes.indexOf(type[1]));
      this.number("UINT64", list.length);
      for (const one of list) this.value(type[1], one);
    } else if (type === "STRING") this.text(String(value));
    else this.number(type, Number(value));
  }

  pad(): void {
    this.put(new Uint8Array((alignment - this.length % alignment) % alignment));
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

function encode(one: GgufCase, meta: GgufCase["meta"], tensors: readonly Stored[]): Uint8Array<ArrayBuffer> {
  const writer = new Writer(!one.big);
  writer.put(new TextEncoder().encode("GGUF"));
  writer.number("UINT32", 3);
  writer.number("UINT64", tensors.length);
  writer.number("UINT64", meta.length);
  for (const [key, type, value] of meta) {
    writer.text(key);
    writer.number("UINT32", valueTypes.indexOf(typeof type === "string" ? type : "ARRAY"));
    writer.value(type, value);
  }
  let offset = 0;
  for (const { name, type, shape, data } of tensors) {
    writer.text(name);
    writer.number("UINT32", shape.length);
    for (const size of shape.toReversed()) writer.number("UINT64", size);
    writer.number("UINT32", type);
    writer.number("UINT64", offset);
    offset += Math.ceil(data.length / alignment) * alignment;
  }
  writer.pad();
  for (const tensor of tensors) {
    writer.put(one.big ? turned(tensor) : tensor.data);
    writer.pad();
  }
  return writer.bytes();
}

/** Writes the files of a case; the path of the one to load. */
export async function writeCase(one: GgufCase, directory: string): Promise<string> {
  const vectors = one.lists.map(([name, values]) => ({
    name,
    type: 0,
    shape: [values.length],
    data: new Uint8Array(Float32Array.from(values).buffer),
  }));
  const tensors = [...one.tensors.map((tensor) => stored(one.seed, tensor)), ...vectors];
  const stem = `${directory}/${one.seed}`;
  if (one.split === 0) {
    const path = `${stem}${one.ending ? ".gguf" : ""}`;
    await Deno.writeFile(path, encode(one, one.meta, tensors));
    return path;
  }
  const count = Math.ceil(tensors.length / one.split),
    digits = (part: number) => String(part).padStart(5, "0");
  let path = "";
  for (let part = 0; part < count; part++) {
    const split: GgufCase["meta"] = [
      ["split.no", "UINT16", part],
      ["split.count", "UINT16", count],
      ["split.tensors.count", "INT32", tensors.length],
    ];
    path = `${stem}-${digits(part + 1)}-of-${digits(count)}.gguf`;
    const own = tensors.slice(part * one.split, (part + 1) * one.split);
    await Deno.writeFile(path, encode(one, part === 0 ? [...one.meta, ...split] : split, own));
  }
  return path;
}
