/** The error of everything that talks to the hub or reads its cache. */
import { QuantbookError } from "../../base/error.ts";

/**
 * A model or a data set cannot be had from the hub. Codes: `unauthorized` 401, no token, a wrong one, or no such repository;
 * `forbidden` 403, the token has no access (to a gated repository, say); `missing` 404, no such model, data set, revision or file;
 * `busy` 408, 429 or 5xx after all tries; `network` no connection, no answer in time, or cut too often; `checksum` the bytes are
 * not those that were announced; `offline` not in the cache, and the hub may not be asked; `disk` the cache cannot be written;
 * `answer` the server says what no hub says.
 */
export class HubError extends QuantbookError {
  /** What went wrong, stable across releases. */
  declare readonly code:
    | "unauthorized"
    | "forbidden"
    | "missing"
    | "busy"
    | "network"
    | "checksum"
    | "offline"
    | "disk"
    | "answer";

  /** `code` is stable across releases; `message` names the repository, the address or the file. */
  constructor(code: HubError["code"], message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
