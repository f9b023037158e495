/** Hashes of texts and values. */
import { createHash } from "node:crypto";
import { writeNumbers } from "./json.ts";

/** Hashes what comes in pieces. */
export interface Hasher {
  /** Takes more bytes. */
  update(bytes: Uint8Array): void;
  /** The hash of all bytes in hexadecimal; nothing may come after. */
  hex(): string;
}

/** SHA-256 of bytes that come in pieces. */
export function sha256(): Hasher {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
}

/** SHA-256 of a text's UTF-8 bytes in hexadecimal. */
export function sha256Text(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** SHA-256 of bytes in hexadecimal. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** SHA-256 of a JSON value, in which NaN and the infinities are three numbers. */
export function hashOf(value: unknown): string {
  return sha256Text(writeNumbers(value));
}
