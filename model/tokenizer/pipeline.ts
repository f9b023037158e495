/**
 * A `tokenizer.json`, run: added tokens are found, what is between them is normalized, split, and given to the model; special
 * tokens are put around it. As `tokenizers` 0.23 does; the differential tests of `bench/differential` hold it to that.
 */
import type { JsonObject } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import { addedTokenOf, AddedTokens } from "./added.ts";
import { around, type Engine } from "./engine.ts";
import { Fields, isId, maxId } from "./fields.ts";
import type { TokenModel } from "./models/model.ts";
import { modelOf } from "./models/read.ts";
import { type Decoder, decoderOf } from "./steps/decoders.ts";
import { normalizerOf, type Rewrite } from "./steps/normalizers.ts";
import { alone, type Template, templateOf } from "./steps/post_processors.ts";
import { type PreTokenizer, preTokenizerOf } from "./steps/pre_tokenizers.ts";

/** Ids of a piece are kept for as many pieces, of at most as many units. */
const keptPieces = 100_000, keptLength = 256;

/** A tokenizer as a `tokenizer.json` describes it. */
export class Pipeline implements Engine {
  readonly model: TokenModel;
  readonly added: AddedTokens;
  template: Template;
  readonly #normalizer?: Rewrite;
  readonly #preTokenizer: PreTokenizer;
  readonly #decoder?: Decoder;
  readonly #known = new Map<string, readonly number[]>();

  /**
   * @param json the parsed file; `file` is named in messages
   * @param notices where fields are named that are not used
   * @throws {TokenizerError} `format` or `unsupported`, naming the field
   */
  constructor(json: JsonObject, file: string, notices: string[]) {
    const fields = new Fields(json, file, "", notices);
    if (fields.text("version", "1.0") !== "1.0") fields.refuse("version", 'expected "1.0"');
    this.model = modelOf(fields.object("model"));
    const part = (key: string) => fields.optionalObject(key);
    const normalizer = part("normalizer"), before = part("pre_tokenizer"), after = part("post_processor");
    const decoder = part("decoder");
    this.#normalizer = normalizer && normalizerOf(normalizer);
    this.#preTokenizer = before ? preTokenizerOf(before) : { steps: [] };
    this.template = after ? templateOf(after) : alone;
    this.#decoder = decoder && decoderOf(decoder);
    this.added = this.#readAdded(fields);
    for (const key of ["truncation", "padding"]) {
      if (fields.value(key) !== undefined) {
        notices.push(
          `${fields.path(key)} is not used: texts are encoded whole, as transformers does unless it is asked`,
        );
      }
    }
    fields.finish();
  }

  #readAdded(fields: Fields): AddedTokens {
    const listed = fields.value("added_tokens") === undefined ? [] : fields.objects("added_tokens");
    const seen = new Map<string, number>();
    const tokens = listed.map((one, i) => {
      const token = addedTokenOf(one), id = one.value("id");
      if (!isId(id)) one.fail("id", `an integer from 0 to ${maxId}`);
      one.finish();
      if (seen.has(token.content)) {
        fields.refuse("added_tokens", `added_tokens[${i}] is ${show(token.content)} again`);
      }
      seen.set(token.content, Number(id));
      return token;
    });
    const added = new AddedTokens(this.model, this.#normalizer);
    added.add(tokens);
    for (const [content, id] of seen) {
      const used = added.idOf(content);
      if (used === id) continue;
      fields.notices.push(
        `${fields.path("added_tokens")} says ${id} for ${
          show(content)
        }: it is ${used}, as in the library, which ` +
          `asks the vocabulary and then counts on`,
      );
    }
    return added;
  }

  get isBpe(): boolean {
    return this.model.type === "BPE";
  }

  get largestId(): number {
    let largest = this.model.largestId;
    for (const id of this.added.ids()) largest = Math.max(largest, id);
    return largest;
  }

  idOf(token: string): number | undefined {
    return this.added.idOf(token) ?? this.model.idOf(token);
  }

  encode(text: string, addSpecialTokens: boolean): Int32Array<ArrayBuffer> {
    return around(this.template, addSpecialTokens, (ids) => {
      for (const part of this.added.split(text.toWellFormed(), this.#normalizer)) {
        if (typeof part === "number") {
          ids.push(part);
          continue;
        }
        let pieces = [part];
        for (const step of this.#preTokenizer.steps) pieces = pieces.flatMap(step);
        for (const piece of pieces) for (const id of this.#encodePiece(piece.text)) ids.push(id);
      }
    });
  }

  #encodePiece(piece: string): readonly number[] {
    const known = this.#known.get(piece);
    if (known) return known;
    const { last } = this.#preTokenizer;
    const text = last ? last(piece) : piece;
    const ids = text === "" ? [] : this.model.encode(text);
    if (piece.length <= keptLength && this.#known.size < keptPieces) this.#known.set(piece, ids);
    return ids;
  }

  decode(ids: readonly number[], skipSpecialTokens: boolean): string {
    const tokens: string[] = [];
    for (const id of ids) {
      const token = this.added.textOf(id) ?? this.model.tokenOf(id);
      if (token !== undefined && !(skipSpecialTokens && this.added.isSpecial(token))) tokens.push(token);
    }
    return this.#decoder ? this.#decoder(tokens).join("") : tokens.join(" ");
  }
}
