/** Added tokens: found in a text before the model sees it, each as one token. */
import { show } from "../../base/show.ts";
import { TokenizerError } from "./error.ts";
import type { Fields } from "./fields.ts";
import type { TokenModel } from "./models/model.ts";
import type { Piece, Rewrite } from "./steps/normalizers.ts";
import { rustWord, space } from "./unicode.ts";

/** A token that is not left to the model. */
export interface AddedToken {
  /** Its text. */
  readonly content: string;
  /** Found only where no letter, digit or mark stands beside it. */
  readonly singleWord: boolean;
  /** Takes the blanks before it along. */
  readonly left: boolean;
  /** Takes the blanks after it along. */
  readonly right: boolean;
  /** Its normal form is found in the normalized text, instead of itself in the text as it is. */
  readonly normalized: boolean;
  /** Left out by `skipSpecialTokens`. */
  readonly special: boolean;
}

/** A part of a text: an id of an added token, or what is left to the model. */
export type Found = number | Piece;

/** An added token as the files write it. */
export function addedTokenOf(fields: Fields): AddedToken {
  const content = fields.text("content");
  if (content === "") fields.fail("content", "at least one character");
  return {
    content,
    singleWord: fields.flag("single_word"),
    left: fields.flag("lstrip"),
    right: fields.flag("rstrip"),
    normalized: fields.flag("normalized"),
    special: fields.flag("special"),
  };
}

/** The added tokens of a tokenizer. */
export class AddedTokens {
  readonly #ids = new Map<string, number>();
  readonly #tokens = new Map<number, AddedToken>();
  readonly #forms = new Map<number, string>();
  readonly #special = new Set<string>();
  #raw = new Finder();
  #normalized = new Finder();

  /**
   * @param model knows what ids are taken
   * @param normalize makes the normal forms of tokens
   */
  constructor(
    private readonly model: Pick<TokenModel, "size" | "idOf">,
    private readonly normalize?: Rewrite,
  ) {}

  /** Adds tokens in their order: one that is known keeps its id and gets other flags, the next ones follow what there is. */
  add(tokens: readonly AddedToken[]): void {
    const { size } = this.model, largest = this.#tokens.keys().reduce((most, id) => Math.max(most, id), -1);
    let next = largest >= size || (size === 0 && largest >= 0) ? largest + 1 : size;
    for (const token of tokens) {
      const id = this.#ids.get(token.content) ?? this.model.idOf(token.content) ?? next++;
      this.#ids.set(token.content, id);
      this.#tokens.set(id, token);
      if (token.special) this.#special.add(token.content);
      // What a token was before is remembered, as in the library.
      if (token.normalized && this.normalize) {
        this.#forms.set(id, this.normalize({ text: token.content, first: 0 }).text);
      }
    }
    if (tokens.length > 0) this.#index();
  }

  #index(): void {
    this.#raw = new Finder();
    this.#normalized = new Finder();
    for (const [id, token] of this.#tokens) {
      const form = token.normalized ? this.#forms.get(id) ?? token.content : token.content;
      if (form !== "" && (token.normalized ? this.#normalized : this.#raw).add(form, id)) continue;
      const reason = form === "" ? "nothing" : `${show(form)}, as another does`;
      throw new TokenizerError("unsupported", `added_tokens: ${show(token.content)} normalizes to ${reason}`);
    }
  }

  /** All of them with their ids. */
  entries(): Iterable<[id: number, token: AddedToken]> {
    return this.#tokens.entries();
  }

  /** Ids of all of them. */
  ids(): Iterable<number> {
    return this.#tokens.keys();
  }

  /** Id of a token. */
  idOf(content: string): number | undefined {
    return this.#ids.get(content);
  }

  /** What a decoder is given for an id: the normal form if the token has one. */
  textOf(id: number): string | undefined {
    return this.#forms.get(id) ?? this.#tokens.get(id)?.content;
  }

  /** Whether a token that a decoder would be given is special. */
  isSpecial(text: string): boolean {
    return this.#special.has(text);
  }

  /** Parts of a text: tokens as they stand, and between them normalized text in which the normalized ones were found. */
  split(text: string, normalize?: Rewrite): Found[] {
    const start = text === "" ? 0 : (text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1;
    return this.#find(this.#raw, { text, first: start }).flatMap((part) => {
      if (typeof part === "number") return [part];
      return this.#find(this.#normalized, normalize ? normalize(part) : part);
    });
  }

  #find(finder: Finder, { text, first }: Piece): Found[] {
    if (text === "") return [];
    if (finder.isEmpty) return [{ text, first }];
    const found: Found[] = [];
    let from = 0;
    const between = (end: number) => {
      if (from < end) {
        found.push({ text: text.slice(from, end), first: first > from ? Math.min(first, end) - from : 0 });
      }
    };
    for (const { start, end, id } of finder.find(text)) {
      const token = this.#tokens.get(id);
      if (token === undefined) continue;
      if (token.singleWord && (isWord(before(text, start)) || isWord(after(text, end)))) continue;
      // Blanks that the token before took are its own.
      const begin = token.left ? Math.max(from, trimmedEnd(text, start)) : start;
      const stop = token.right ? trimmedStart(text, end) : end;
      if (begin > stop) {
        throw new TokenizerError(
          "unsupported",
          `the added token ${
            show(token.content)
          } lies in blanks that the token before took: the library fails here`,
        );
      }
      between(begin);
      // Where nothing of it is left, it is no token.
      if (begin < stop) found.push(id);
      from = stop;
    }
    between(text.length);
    return found;
  }
}

const wordCharacter = new RegExp(rustWord, "v");

function isWord(char: string): boolean {
  return wordCharacter.test(char);
}

/** The character before a place; nothing at the start. */
function before(text: string, at: number): string {
  const low = text.slice(Math.max(0, at - 2), at);
  return (low.codePointAt(0) ?? 0) > 0xffff ? low : low.slice(-1);
}

/** The character from a place on; nothing at the end. */
function after(text: string, at: number): string {
  return at < text.length ? String.fromCodePoint(text.codePointAt(at) ?? 0) : "";
}

const blank = new RegExp(space, "v");

function trimmedEnd(text: string, end: number): number {
  let at = end;
  while (at > 0 && blank.test(text[at - 1])) at--;
  return at;
}

function trimmedStart(text: string, start: number): number {
  let at = start;
  while (at < text.length && blank.test(text[at])) at++;
  return at;
}

/** Finds texts in a text: the leftmost, and of those the longest. */
class Finder {
  readonly #root: Node = { next: new Map() };

  get isEmpty(): boolean {
    return this.#root.next.size === 0;
  }

  /** Adds a text; says whether it is new. */
  add(text: string, id: number): boolean {
    let node = this.#root;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      let next = node.next.get(code);
      if (!next) node.next.set(code, next = { next: new Map() });
      node = next;
    }
    if (node.id !== undefined) return false;
    node.id = id;
    return true;
  }

  *find(text: string): Generator<{ start: number; end: number; id: number }> {
    const { next } = this.#root;
    for (let start = 0; start < text.length; start++) {
      let node = next.get(text.charCodeAt(start)), id: number | undefined, end = start;
      for (let at = start + 1; node; node = node.next.get(text.charCodeAt(at++))) {
        if (node.id === undefined) continue;
        id = node.id;
        end = at;
      }
      if (id === undefined) continue;
      yield { start, end, id };
      start = end - 1;
    }
  }
}

interface Node {
  readonly next: Map<number, Node>;
  id?: number;
}
