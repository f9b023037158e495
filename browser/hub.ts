/** In a page, in the place of `model/hub.ts`: no request goes to another host. */
import { HubError } from "../model/hub/error.ts";
import type { HubOptions } from "../model/hub.ts";

export type { HubOptions } from "../model/hub.ts";

/** No name is looked up. */
export function isHubName(_name: string): boolean {
  return false;
}

/**
 * Nothing is downloaded.
 *
 * @throws {HubError}
 */
export function hubDirectory(model: string, _options: HubOptions = {}): Promise<string> {
  return Promise.reject(
    new HubError("missing", `${model}: a page takes no models from the hub: pass its files`),
  );
}
