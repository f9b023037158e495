/** Decoders of a `tokenizer.json`: from the texts of ids to a text. */
import { textOfLetters } from "../bytes.ts";
import type { Fields } from "../fields.ts";
import { matchesOf } from "../pattern.ts";
import { patternOf } from "./patterns.ts";
import { schemeOf } from "./pre_tokenizers.ts";

/** A step from texts to texts; at the end they are joined. */
export type Decoder = (tokens: readonly string[]) => readonly string[];

const strictUtf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** The decoder that `fields` describe. */
export function decoderOf(fields: Fields): Decoder {
  const decoder = build(fields);
  fields.finish("trim_offsets", "add_prefix_space", "use_regex", "split", "str_rep");
  return decoder;
}

function build(fields: Fields): Decoder {
  switch (fields.text("type")) {
    case "Sequence": {
      const all = fields.objects("decoders").map(decoderOf);
      return (tokens) => all.reduce((result, one) => one(result), tokens);
    }
    case "ByteLevel":
      return (tokens) => [textOfLetters(tokens)];
    case "ByteFallback":
      return byteFallback;
    case "Fuse":
      return (tokens) => [tokens.join("")];
    case "Metaspace":
      return metaspace(fields);
    case "Replace":
      return replace(patternOf(fields), fields.text("content"));
    case "Strip":
      return strip(fields.character("content"), fields.count("start"), fields.count("stop"));
    case "BPEDecoder": {
      const suffix = fields.text("suffix");
      return (tokens) =>
        tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? "" : " "));
    }
    case "WordPiece":
      return wordPiece(fields.text("prefix"), fields.flag("cleanup"));
    case "CTC":
      return ctc(fields);
  }
  return fields.refuse(
    "type",
    "expected BPEDecoder, ByteFallback, ByteLevel, CTC, Fuse, Metaspace, Replace, Sequence, Strip or WordPiece",
  );
}

/** Tokens of bytes as text; where they are no UTF-8, each is a replacement character. */
export const byteFallback: Decoder = (tokens) => {
  const result: string[] = [], bytes: number[] = [];
  const flush = () => {
    if (bytes.length === 0) return;
    try {
      result.push(strictUtf8.decode(Uint8Array.from(bytes)));
    } catch {
      result.push(...bytes.map(() => "\ufffd"));
    }
    bytes.length = 0;
  };
  for (const token of tokens) {
    const code = /^<0x([0-9A-Fa-f]{2}|\+[0-9A-Fa-f])>$/.exec(token);
    if (code) {
      bytes.push(parseInt(code[1], 16));
      continue;
    }
    flush();
    result.push(token);
  }
  flush();
  return result;
};

function metaspace(fields: Fields): Decoder {
  const mark = fields.character("replacement"), dropsFirst = schemeOf(fields) !== "never";
  return (tokens) => tokens.map((token, i) => token.replaceAll(mark, i === 0 && dropsFirst ? "" : " "));
}

function replace(pattern: RegExp, content: string): Decoder {
  return (tokens) =>
    tokens.map((token) => {
      const found = matchesOf(pattern, token);
      let result = "", from = 0;
      for (let i = 0; i < found.length; i += 2) {
        result += token.slice(from, found[i]) + content;
        from = found[i + 1];
      }
      return result + token.slice(from);
    });
}

function strip(char: string, start: number, stop: number): Decoder {
  return (tokens) =>
    tokens.map((token) => {
      const chars = Array.from(token);
      let from = 0, to = chars.length;
      while (from < start && chars[from] === char) from++;
      while (chars.length - to < stop && to > 0 && chars[to - 1] === char) to--;
      return chars.slice(from, to).join("");
    });
}

function wordPiece(prefix: string, clean: boolean): Decoder {
  return (tokens) =>
    tokens.map((token, i) => {
      const text = i === 0 ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
      return clean ? cleanUp(text) : text;
    });
}

/** Blanks that English does not write, taken out, one rule after the other; the library shortens "do not" as well. */
export function cleanUp(text: string, shortens = true): string {
  const cleaned = text.replaceAll(" .", ".").replaceAll(" ?", "?").replaceAll(" !", "!").replaceAll(" ,", ",")
    .replaceAll(" ' ", "'").replaceAll(" n't", "n't").replaceAll(" 'm", "'m");
  return (shortens ? cleaned.replaceAll(" do not", " don't") : cleaned)
    .replaceAll(" 's", "'s").replaceAll(" 've", "'ve").replaceAll(" 're", "'re");
}

function ctc(fields: Fields): Decoder {
  const pad = fields.text("pad_token"), blank = fields.text("word_delimiter_token");
  const clean = fields.flag("cleanup");
  return (tokens) =>
    tokens.filter((token, i) => i === 0 || token !== tokens[i - 1]).map((token) => {
      const text = token.replaceAll(pad, "");
      return clean ? cleanUp(text).replaceAll(blank, " ") : text;
    }).filter((token) => token !== "");
}
