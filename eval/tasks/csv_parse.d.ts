/** What is used of `csv-parse/sync`; its own types ask for those of Node. */
export function parse(
  text: string,
  options: { columns: true; bom: true; info: true; skip_empty_lines: true },
): { record: Record<string, string>; info: { lines: number } }[];
