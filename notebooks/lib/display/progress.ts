/** A line that tells how far a long cell is. It is never stored: it means nothing once the run has ended. */
import { emit, kernel } from "./emit.ts";

/** A row of a sweep, as far as a progress line tells of it. */
export interface MeasuredRow {
  readonly label: string;
  readonly perplexity: { readonly value: number; readonly standardError: number };
}

/** A progress line. */
export interface Progress {
  /** One more of the total is done: a note says what, a measured row also what came out. */
  step(done?: string | MeasuredRow): void;
  /** Ends the line; resolves when the last update is out. */
  done(): Promise<void>;
}

const INTERVAL_MS = 100;

/**
 * Starts a progress line: it updates in place in Jupyter, on a terminal's standard error elsewhere.
 * @example
 * ```ts
 * import { progress } from "quantbook/display";
 * const line = progress("alpha sweep", 3);
 * for (const alpha of [0.4, 0.5, 0.6]) line.step(`alpha ${alpha}`);
 * await line.done();
 * ```
 */
export function progress(label: string, total: number): Progress {
  const id = crypto.randomUUID();
  const started = performance.now();
  let count = 0;
  let last = -Infinity;
  // Updates are sent in order, one after the other, without holding up the computation that reports them.
  let sending = write(id, "display_data", `${label} 0/${total}`);
  const update = (text: string) => {
    sending = sending.then(() => write(id, "update_display_data", text));
  };
  return {
    step(one) {
      const note = typeof one === "object" ? noteOf(one) : one;
      count++;
      const now = performance.now();
      if (now - last < INTERVAL_MS && count < total) return;
      last = now;
      const secondsLeft = ((now - started) / 1000 / count) * (total - count);
      const left = count < total ? `, about ${Math.ceil(secondsLeft)} s left` : "";
      update(`${label} ${count}/${total}${left}${note ? ` · ${note}` : ""}`);
    },
    async done() {
      update(`${label} ${count}/${total}`);
      await sending;
      if (!kernel() && Deno.stderr.isTerminal()) await Deno.stderr.write(new TextEncoder().encode("\n"));
    },
  };
}

function noteOf({ label, perplexity: { value, standardError } }: MeasuredRow): string {
  return `${label}: perplexity ${value.toFixed(2)} ± ${standardError.toFixed(2)}`;
}

async function write(id: string, type: "display_data" | "update_display_data", text: string): Promise<void> {
  if (kernel()) {
    await emit(type, { "text/plain": text }, { quantbook: { kind: "progress" } }, id);
  } else if (Deno.stderr.isTerminal()) {
    await Deno.stderr.write(new TextEncoder().encode(`\r\u001b[K${text}`));
  }
}
