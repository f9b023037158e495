/** Hashes of texts and values. */
import { createHash } from "node:crypto";
import { writeNumbers } from "./json.ts";

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
