/** Numbers, the smallest first (a binary heap). */
export class Heap {
  readonly #items: number[] = [];

  /** Puts a number in. */
  push(value: number): void {
    const items = this.#items;
    let at = items.length;
    items.push(value);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (items[above] <= value) break;
      items[at] = items[above];
      at = above;
    }
    items[at] = value;
  }

  /** Takes the smallest number out. */
  pop(): number | undefined {
    const items = this.#items, top = items[0], value = items.pop();
    if (value === undefined || items.length === 0) return top;
    let at = 0;
    for (let below = 1; below < items.length; below = 2 * at + 1) {
      if (below + 1 < items.length && items[below + 1] < items[below]) below++;
      if (items[below] >= value) break;
      items[at] = items[below];
      at = below;
    }
    items[at] = value;
    return top;
  }
}
