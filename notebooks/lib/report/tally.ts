/** Counting by status, in report order. */
import { type Status, STATUSES } from "../display/status.ts";

/** How often each status occurs, without those that do not. */
export function countStatuses(items: readonly { readonly status: Status }[]): [Status, number][] {
  return STATUSES
    .map((status): [Status, number] => [status, items.filter((item) => item.status === status).length])
    .filter(([, count]) => count > 0);
}
