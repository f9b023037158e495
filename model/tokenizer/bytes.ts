/** Bytes as letters: GPT-2's way to write any bytes as a text without blanks (https://github.com/openai/gpt-2, encoder.py). */

const utf8 = new TextEncoder();

/** Letter of each byte: itself where it can be seen, else one from U+0100 on. */
const letters: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const seen = (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
    return String.fromCharCode(seen ? byte : next++);
  });
})();

const byteOf: ReadonlyMap<string, number> = new Map(letters.map((letter, byte) => [letter, byte]));

/** The bytes of a text in UTF-8 as letters. */
export function byteLetters(text: string): string {
  let result = "";
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return result + Array.from(utf8.encode(text.slice(i)), (byte) => letters[byte]).join("");
    result += letters[code];
  }
  return result;
}

/** Bytes of letters; of a text with any other letter, its own bytes. */
export function bytesOf(text: string): number[] | Uint8Array {
  const bytes: number[] = [];
  for (const letter of text) {
    const byte = byteOf.get(letter);
    if (byte === undefined) return utf8.encode(text);
    bytes.push(byte);
  }
  return bytes;
}
