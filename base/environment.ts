/** Reads and makes settings of the environment without ever asking for a permission. */
import process from "node:process";

/** Deno alone asks for permissions. */
function permitted(variable: string): boolean {
  return !("Deno" in globalThis) || Deno.permissions.querySync({ name: "env", variable }).state === "granted";
}

/** The value of an environment variable; undefined when it is unset or empty, or when reading it is not permitted. */
export function environmentVariable(variable: string): string | undefined {
  return permitted(variable) ? process.env[variable] || undefined : undefined;
}

/** Sets an environment variable of this process, unless it is set already or setting it is not permitted. */
export function defaultEnvironment(variable: string, value: string): void {
  if (permitted(variable) && !process.env[variable]) process.env[variable] = value;
}

/** Versions of the runtime and of its parts, with the kind of machine: `deno`, `v8`, `platform`, `arch`. */
export function runtimeVersions(): Readonly<Record<string, string>> {
  const { deno, node, v8 } = process.versions as Readonly<Record<string, string | undefined>>;
  const found = Object.entries({ deno, node, v8, platform: process.platform, arch: process.arch });
  return Object.fromEntries(
    found.flatMap(([name, value]) => value === undefined ? [] : [[name, String(value)]]),
  );
}
