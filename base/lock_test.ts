/** Locks keep others out, end with their process, and are had on files that another user made. */
import { assert, assertEquals } from "@std/assert";
import { pathOf } from "./file.ts";
import { lockFile } from "./lock.ts";

const module = new URL("lock.ts", import.meta.url).href;
const script = `
  import { lockFile } from "${module}";
  const lock = await lockFile(Deno.args[0]);
  console.log(lock.locked);
  await new Promise((resolve) => setTimeout(resolve, 60_000));
`;

Deno.test("a lock waits for the one who holds it, and no lock outlives its process", async () => {
  const folder = await Deno.makeTempDir(), path = `${folder}/a.lock`;
  try {
    await Deno.writeTextFile(`${folder}/hold.ts`, script);
    const args = ["run", "-A", "--no-check", "--quiet", "--no-config", `${folder}/hold.ts`, path];
    const holder = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
    const reader = holder.stdout.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), "true\n");
    let had = false;
    const waiting = lockFile(path).then((lock) => {
      had = true;
      return lock;
    });
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert(!had, "two hold one lock");
    holder.kill("SIGKILL");
    using lock = await waiting;
    assert(lock.locked);
    await reader.cancel();
    await holder.status;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "a lock file that another user made for itself is locked by reading it",
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0,
  fn: async () => {
    const folder = await Deno.makeTempDir(), path = `${folder}/a.lock`;
    try {
      await Deno.writeTextFile(path, "", { mode: 0o644 });
      await Deno.copyFile(pathOf(new URL(module)), `${folder}/lock.ts`);
      await Deno.writeTextFile(
        `${folder}/hold.ts`,
        script.replace(module, "./lock.ts").replace("60_000", "0"),
      );
      await Deno.chmod(folder, 0o755);
      const run = ["run", "-A", "--no-check", "--quiet", "--no-config", `${folder}/hold.ts`, path];
      const { stdout, stderr } = await new Deno.Command("setpriv", {
        args: ["--reuid=65534", "--regid=65534", "--clear-groups", Deno.execPath(), ...run],
        env: { DENO_DIR: `${folder}/none`, HOME: folder },
      }).output();
      const [said, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      // Where that user may not run the program there is nothing to see.
      if (said === "" && /[Pp]ermission denied|not found/.test(errors) && !errors.includes("a.lock")) {
        return console.log(`skipped: ${errors.slice(0, 200)}`);
      }
      assertEquals(said, "true\n", errors);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
