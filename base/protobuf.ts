/** Writes protocol buffers (https://protobuf.dev/programming-guides/encoding): fields one after the other, as ONNX needs them. */

/** Encoded fields. */
export type Bytes = Uint8Array<ArrayBuffer>;

const utf8 = new TextEncoder();

/** Byte strings one after the other. */
export function concat(parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function varint(value: number | bigint): Bytes {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

/** An integer field. */
export function integer(field: number, value: number | bigint): Bytes {
  return concat([varint(field << 3), varint(value)]);
}

/** A float32 field. */
export function float(field: number, value: number): Bytes {
  return concat([varint(field << 3 | 5), new Uint8Array(Float32Array.of(value).buffer)]);
}

/** A field of bytes: a message or raw data. */
export function message(field: number, ...parts: readonly Uint8Array[]): Bytes {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concat([varint(field << 3 | 2), varint(length), ...parts]);
}

/** A text field. */
export function text(field: number, value: string): Bytes {
  return message(field, utf8.encode(value));
}
