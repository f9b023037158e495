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
}

/** No answer makes us wait longer. */
const longestWait = 30;

/** A `fetch` that adds the token, tries again and turns refusals into errors; other statuses are returned. */
export function hubFetch({ endpoint, token, patience }: HubAccess): typeof fetch {
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
        const response = await fetch(url, { ...init, headers });
        const busy = response.status === 429 || response.status >= 500;
        if (!busy) {
          if (response.status >= 400) await response.body?.cancel();
          refuse(response.status, url);
          return response;
        }
        await response.body?.cancel();
        const after = Number(response.headers.get("retry-after") ?? "");
        if (after > 0) wait = Math.min(after, longestWait);
        if (last) throw new HubError("busy", `${url}: status ${response.status} after ${attempt} tries`);
      } catch (error) {
        if (error instanceof HubError) throw error;
        if (last) {
          const reason = error instanceof Error ? error.message : String(error);
          throw new HubError("network", `${url}: ${reason}`, { cause: error });
        }
      }
      await pause(wait);
    }
  };
}

function refuse(status: number, url: string): void {
  if (status === 401 || status === 403) {
    throw new HubError(
      "unauthorized",
      `${url}: status ${status}: the repository does not exist, or needs a token with access (HF_TOKEN)`,
    );
  }
  if (status === 404) {
    throw new HubError("missing", `${url}: status 404: no such repository, revision or file`);
  }
}

/** Waits. */
export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
