/** Writes and reads protocol buffers (https://protobuf.dev/programming-guides/encoding): fields one after the other. */

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

/** A field that was read: an integer (of which a negative one is the 64 bits of it), a float32, or bytes. */
export interface ReadField {
  /** Its number. */
  readonly field: number;
  /** Its value; `undefined` where it has 64 fixed bits, which no format here has. */
  readonly value: bigint | number | Uint8Array | undefined;
}

/**
 * The fields of a message, in their order.
 *
 * @throws {RangeError} when the bytes are no message
 */
export function* readFields(bytes: Uint8Array): Generator<ReadField> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const readVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (at >= bytes.length) break;
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new RangeError(`an integer before byte ${at} does not end`);
  };
  const skip = (length: number): number => {
    const from = at;
    if (length > bytes.length - at) {
      throw new RangeError(
        `a field at byte ${at} has ${length} bytes, of which ${bytes.length - at} are there`,
      );
    }
    at += length;
    return from;
  };
  while (at < bytes.length) {
    const key = Number(readVarint()), field = Math.floor(key / 8);
    if (field === 0) throw new RangeError(`field 0 before byte ${at}`);
    switch (key % 8) {
      case 0:
        yield { field, value: readVarint() };
        break;
      case 1:
        skip(8);
        yield { field, value: undefined };
        break;
      case 2: {
        const length = Number(readVarint()), from = skip(length);
        yield { field, value: bytes.subarray(from, from + length) };
        break;
      }
      case 5:
        yield { field, value: view.getFloat32(skip(4), true) };
        break;
      default:
        throw new RangeError(`a field before byte ${at} is of the unknown kind ${key % 8}`);
    }
  }
}
