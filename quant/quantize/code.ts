/** The code of registered methods: what results of a scheme depend on besides the scheme itself. */
import { hashOfSources } from "../../base/source.ts";
import type { Method } from "../method.ts";
import { builtIn } from "../registry.ts";
import { allParts, type ResolvedScheme } from "./resolve.ts";

/** What stands for the code of a scheme's registered methods. */
export interface OwnCode {
  /** By method; empty where all methods are the suite's own. */
  readonly code: Readonly<Record<string, string>>;
  /** Methods with neither version nor source: what stands for them is of this process only, and nothing may be stored under it. */
  readonly unknown: readonly string[];
}

let process: string | undefined;
/** Made at the first use: a page without https has no `randomUUID`. */
const thisProcess = () => process ??= crypto.randomUUID();

/** Versions, or hashes of the sources, of the registered methods that a scheme names. */
export async function ownCode(
  scheme: ResolvedScheme,
): Promise<OwnCode> {
  const own = allParts(scheme).filter(({ method }) => !Object.values<Method>(builtIn).includes(method));
  const methods = new Set(own.map(({ method }) => method));
  const code: Record<string, string> = {}, unknown: string[] = [];
  for (const { name, version, source } of methods) {
    if (version === undefined && source === undefined) unknown.push(name);
    const hash = source === undefined ? undefined : await hashed(new URL(source));
    code[name] = [version, hash].filter((one) => one !== undefined).join(" ") || thisProcess();
  }
  return { code, unknown };
}

const hashes = new Map<string, Promise<string>>();

/** What was loaded is what counts, so a file that is edited meanwhile is not read again. */
function hashed(source: URL): Promise<string> {
  const known = hashes.get(source.href) ?? hashOfSources(new URL(".", source), [source]);
  hashes.set(source.href, known);
  return known;
}
