/** Most bytes that this process ever held, from the system where it says so, else what it holds now. */
export async function peakBytes(): Promise<number> {
  const status = await Deno.readTextFile("/proc/self/status").catch(() => "");
  const kibibytes = Number(status.match(/^VmHWM:\s*(\d+)/m)?.[1]);
  return kibibytes > 0 ? 1024 * kibibytes : Deno.memoryUsage().rss;
}

/** `12 MiB`. */
export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
