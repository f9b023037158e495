/** Requests to the hub: with the user's token, to the hub's own origin only, and again when it is busy or cut off. */
import { HubError } from "./error.ts";

/** How often a request is tried, and how long is waited before the second try; the wait doubles from then on. */
export interface Patience {
  /** Most tries. */
  readonly tries: number;
  /** Seconds before the second try. */
  readonly seconds: number;
}

/** What requests are made with. */
export interface HubAccess {
  /** Address of the hub, without a slash at the end. */
  readonly endpoint: string;
  /** The user's token. */
  readonly token?: string;
  /** Patience with a busy hub. */
  readonly patience: Patience;
  /** Seconds without a byte after which a try is given up. */
  readonly silence: number;
}

/** No answer makes us wait longer. */
const longestWait = 30;

/** A `fetch` that adds the token, tries again and turns refusals into errors; other statuses are returned. */
export function hubFetch(access: HubAccess): typeof fetch {
  const { endpoint, token, patience, silence } = access;
  const origin = new URL(endpoint).origin;
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const headers = new Headers(init?.headers);
    if (token !== undefined && new URL(url).origin === origin) {
      headers.set("authorization", `Bearer ${token}`);
    }
    for (let attempt = 1;; attempt++) {
      const last = attempt >= patience.tries;
      let wait = patience.seconds * 2 ** (attempt - 1);
      try {
        // A redirect to another origin loses the authorization header, as the standard demands.
        const response = await answered(url, { ...init, headers }, silence);
        const { status } = response, busy = status === 408 || status === 429 || status >= 500;
        if (!busy) {
          if (status < 400 || status === 416) return response;
          const said = await response.text().catch(() => "");
          refuse(response, said, url, token !== undefined);
          return new Response(said, response);
        }
        await response.body?.cancel();
        const after = Number(response.headers.get("retry-after") ?? "");
        if (after > 0) wait = Math.min(after, longestWait);
        if (last) {
          const what = status === 429 ? "too many requests" : "the hub is busy or out of order";
          throw new HubError("busy", `${url}: status ${status} after ${tries(attempt)}: ${what}`);
        }
      } catch (error) {
        if (error instanceof HubError) throw error;
        if (last) throw new HubError("network", `${url}: ${reasonOf(error)}`, { cause: error });
      }
      await pause(wait);
    }
  };
}

/** An answer whose head comes in time, and whose body ends with an error where it falls silent. */
async function answered(url: string, init: RequestInit, silence: number): Promise<Response> {
  const giveUp = new AbortController();
  const response = await inTime(fetch(url, { ...init, signal: giveUp.signal }), silence).catch((error) => {
    giveUp.abort();
    throw error;
  });
  if (response.body === null) return response;
  const reader = response.body.getReader();
  // Pulled, so that only the server's silence counts, and no slow disk.
  const watched = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done, value } = await inTime(reader.read(), silence);
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        giveUp.abort();
        throw error;
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
  return new Response(watched, response);
}

/** What is awaited, or an error when it does not come for so many seconds. */
async function inTime<T>(awaited: Promise<T>, seconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came for ${seconds} s`)), 1000 * seconds);
  });
  try {
    return await Promise.race([awaited, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The hub says in a header what a status means, since one status has several reasons. */
function refuse(response: Response, said: string, url: string, hasToken: boolean): void {
  const { status, headers } = response;
  const reason = headers.get("x-error-message");
  const tail = reason ? ` (the hub says: ${reason.slice(0, 300)})` : "";
  if (status === 401) {
    const token = hasToken
      ? "or the token is not accepted"
      : "or it needs a token (HF_TOKEN, or `hf auth login`)";
    throw new HubError("unauthorized", `${url}: status 401: the repository does not exist, ${token}${tail}`);
  }
  if (status === 403) {
    const gated = headers.get("x-error-code") === "GatedRepo" || /gated/i.test(reason ?? said);
    const what = gated
      ? "the repository is gated: ask for access on its page, and use a token of that account"
      : `${hasToken ? "the token has" : "without a token (HF_TOKEN) there is"} no access`;
    throw new HubError("forbidden", `${url}: status 403: ${what}${tail}`);
  }
  if (status === 404) {
    const what = { RepoNotFound: "repository", RevisionNotFound: "revision", EntryNotFound: "file" }[
      headers.get("x-error-code") ?? ""
    ] ?? "repository, revision or file";
    throw new HubError("missing", `${url}: status 404: no such ${what}${tail}`);
  }
}

/** What an error says; of a failed connection the cause, which `fetch` hides. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && !error.message.includes(error.cause.message)
    ? `${error.message}: ${error.cause.message}`
    : error.message;
}

/** "1 try", "5 tries". */
export function tries(count: number): string {
  return `${count} ${count === 1 ? "try" : "tries"}`;
}

/** Waits. */
export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
