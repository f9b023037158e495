/** Reads and makes settings of the environment without ever asking for a permission. */

/** The value of an environment variable; undefined when it is unset or empty, or when reading it is not permitted. */
export function environmentVariable(variable: string): string | undefined {
  if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") return undefined;
  return Deno.env.get(variable) || undefined;
}

/** Sets an environment variable of this process, unless it is set already or setting it is not permitted. */
export function defaultEnvironment(variable: string, value: string): void {
  if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") return;
  if (!Deno.env.get(variable)) Deno.env.set(variable, value);
}
