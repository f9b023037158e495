/** The error of everything that talks to the hub or reads its cache. */
import { QuantbookError } from "../../base/error.ts";

/**
 * A model or a data set cannot be had from the hub. Codes: `"unauthorized"` (401 or 403: a token is needed or not accepted), `"missing"`
 * (404: no such model, data set, revision or file), `"busy"` (429 or 5xx after all retries), `"network"` (no connection, or it was
 * cut too often), `"checksum"` (the bytes are not those that were announced), `"offline"` (not in the cache),
 * `"answer"` (the server says what no hub says).
 */
export class HubError extends QuantbookError {}
