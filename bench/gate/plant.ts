/** A slowdown planted in the kernels, that the performance gate must find. */
import { pathOf } from "../../base/file.ts";

/** The inner loop of products with many rows, and what stands before its arguments. */
const file = "kernels/cpu/assembly/tile.ts", head = "export function tile(";

/**
 * Copies `base/` and `kernels/` of the working tree to a new folder, makes the inner loop of products with many rows go over the
 * first `factor - 1` of its columns once more, and builds the copy. Results are wrong, times are those of more work.
 */
export async function plantSlowdown(root: URL, factor: number): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "quantbook-gate-" });
  const { success, stderr } = await new Deno.Command("cp", {
    args: ["-r", ...["base", "kernels"].map((room) => pathOf(new URL(room, root))), folder],
  }).output();
  if (!success) {
    throw new Error(`kernels/ and base/ were not copied: ${new TextDecoder().decode(stderr).trim()}`);
  }
  const source = await Deno.readTextFile(`${folder}/${file}`), at = source.indexOf(head);
  const parameters = source.slice(at + head.length, source.indexOf(")", at));
  const names = parameters.split(",").map((parameter) => parameter.split(":")[0].trim());
  if (at < 0 || !names.includes("depth")) {
    throw new Error(`${file} has no "${head}... depth ...)" to slow down: adapt bench/gate/plant.ts`);
  }
  const more = names.map((name) =>
    name === "depth" ? `depth * ${Math.round(1000 * (factor - 1))} / 1000` : name
  );
  const slow = `${head}${parameters}): void {\n  once(${more.join(", ")});\n  once(${
    names.join(", ")
  });\n}\n\n`;
  const rest = source.slice(at).replace(head, "function once(");
  await Deno.writeTextFile(`${folder}/${file}`, source.slice(0, at) + slow + rest);
  const built = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${folder}/kernels/cpu/build.ts`],
  }).output();
  if (!built.success) throw new Error(new TextDecoder().decode(built.stderr));
  return folder;
}
