/** Bytes as letters: GPT-2's way to write any bytes as a text without blanks (https://github.com/openai/gpt-2, encoder.py). */

const utf8 = new TextEncoder(), decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Letter of each byte: itself where it can be seen, else one from U+0100 on. */
const letters: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const seen = (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
    return String.fromCharCode(seen ? byte : next++);
  });
})();

/** Byte of each letter by its code, else -1. */
const byteOf = new Int16Array(512).fill(-1);
for (const [byte, letter] of letters.entries()) byteOf[letter.charCodeAt(0)] = byte;

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

/** The text whose bytes some texts write as letters; of one with any other letter, its own bytes are taken. */
export function textOfLetters(texts: readonly string[]): string {
  const bytes: number[] = [];
  for (const text of texts) {
    const start = bytes.length;
    for (let i = 0; i < text.length; i++) {
      const byte = byteOf[text.charCodeAt(i)] ?? -1;
      if (byte < 0) {
        bytes.length = start;
        bytes.push(...utf8.encode(text));
        break;
      }
      bytes.push(byte);
    }
  }
  return decoder.decode(Uint8Array.from(bytes));
}
