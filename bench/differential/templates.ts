/**
 * Compares chat templates of `templates.py` with ours: a case is equal (the same text, and the same places where the assistant speaks),
 * refused by both, or refused by us alone, for a reason that is named; anything else is a difference.
 *
 *     templates.py 0 3000 | deno run -A bench/differential/templates.ts [--show]
 *     templates.py 0 3000 | deno run -A bench/differential/templates.ts --record
 */
import type { JsonObject } from "../../base/json.ts";
import type { ChatMessage } from "../../model/tokenizer/chat.ts";
import { renderChatSpans } from "../../model/tokenizer/chat.ts";
import { TokenizerError } from "../../model/tokenizer/error.ts";
import { TemplateError } from "../../model/tokenizer/jinja.ts";

/** A line of `templates.py`. */
export interface TemplateCase {
  readonly seed: number;
  readonly sort: "idiom" | "statements" | "expressions" | "mutated" | "hand";
  readonly template: string | Readonly<Record<string, string>>;
  readonly tokens: Readonly<Record<string, string>>;
  readonly messages: readonly ChatMessage[];
  readonly options: {
    readonly add_generation_prompt?: boolean;
    readonly continue_final_message?: boolean | string;
    readonly tools?: readonly JsonObject[];
    readonly documents?: readonly JsonObject[];
    readonly chat_template?: string;
  };
  readonly variables: JsonObject;
  /** What transformers gives, or why it gives nothing. */
  readonly text?: string;
  readonly error?: string;
  /** In code points. */
  readonly spans?: readonly (readonly [number, number])[];
}

/** How many cases came out how. */
export interface Tally {
  cases: number;
  equal: number;
  bothRefuse: number;
  /** Refused by us alone, by reason. */
  readonly refused: Record<string, number>;
  /** Sentences about differences. */
  readonly different: string[];
}

/** A tally of nothing. */
export function emptyTally(): Tally {
  return { cases: 0, equal: 0, bothRefuse: 0, refused: {}, different: [] };
}

/** The clock of `templates.py`. */
const now = new Date(2026, 0, 5, 14, 3, 9);

/** Renders one case, and counts it. */
export async function compare(one: TemplateCase, tally: Tally): Promise<void> {
  tally.cases++;
  const { seed, sort, text: wanted, error: refusal, spans } = one;
  const note = (what: string) => tally.different.push(`seed ${seed} (${sort}): ${what}`);
  try {
    const { text, generated } = await ours(one);
    if (wanted === undefined) {
      return void note(`gives ${JSON.stringify(text)}, transformers refuses: ${refusal}`);
    }
    if (text !== wanted) note(`gives ${JSON.stringify(text)}, transformers ${JSON.stringify(wanted)}`);
    else if (isPlaced(text, spans) && JSON.stringify(generated) !== JSON.stringify(spans)) {
      note(`spans ${JSON.stringify(generated)}, transformers ${JSON.stringify(spans)}`);
    } else tally.equal++;
  } catch (error) {
    if (!(error instanceof TokenizerError)) return void note(`crashes: ${error}`);
    if (wanted === undefined) tally.bothRefuse++;
    else if (isNamed(error)) count(tally.refused, reasonOf(error));
    else note(`refuses (${error.message}), transformers gives ${JSON.stringify(wanted)}`);
  }
}

function ours({ template, tokens, messages, options, variables }: TemplateCase) {
  const templates = typeof template === "string"
    ? { chatTemplate: template }
    : { chatTemplate: template.default, chatTemplates: template };
  return renderChatSpans({ ...templates, specialTokens: tokens }, messages, {
    addGenerationPrompt: options.add_generation_prompt ?? false,
    continueFinalMessage: options.continue_final_message,
    tools: options.tools,
    documents: options.documents,
    template: options.chat_template,
    variables,
    now,
  });
}

/** Whether the places mean anything: a filter around may have shortened the text; Python counts code points. */
function isPlaced(text: string, spans: TemplateCase["spans"]): boolean {
  return spans !== undefined && spans.every(([, end]) => end <= text.length) && !/[\ud800-\udfff]/.test(text);
}

function isNamed({ cause }: TokenizerError): boolean {
  return cause instanceof TemplateError && (cause.code === "unsupported" || cause.code === "limit");
}

/** The reason without the value: "the filter random". */
function reasonOf({ cause, message }: TokenizerError): string {
  return (cause instanceof TemplateError ? cause.message : message).replace(/[\d.]+( \*\* )-?[\d.]+/, "x$1y");
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

if (import.meta.main) {
  const tally = emptyTally(), seeds: number[] = [];
  for (const line of (await new Response(Deno.stdin.readable).text()).split("\n").filter(Boolean)) {
    const one: TemplateCase = JSON.parse(line);
    seeds.push(one.seed);
    await compare(one, tally);
  }
  if (Deno.args.includes("--record")) {
    const report = { judge: "transformers 5.24.0, jinja2 3.1.6", firstSeed: seeds[0], ...tally };
    const url = new URL("../results/differential-templates.json", import.meta.url);
    await Deno.writeTextFile(url, `${JSON.stringify(report, null, 2)}\n`);
  }
  const { different, ...counts } = tally;
  console.log({ ...counts, different: different.length });
  for (const sentence of different.slice(0, Deno.args.includes("--show") ? 25 : 3)) {
    console.log(sentence.slice(0, 1500));
  }
  if (different.length > 0) Deno.exit(1);
}
