/** Hashes of texts and values. */
import { createHash } from "node:crypto";

/** SHA-256 of a text's UTF-8 bytes in hexadecimal. */
export function sha256Text(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** SHA-256 of a JSON value. */
export async function hashOf(value: unknown): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(value)));
  return new Uint8Array(digest).toHex();
}
