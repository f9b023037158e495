/** Every published number has a status, and what is not run says what would run it. */
import { loadClaims } from "../../../eval/claims.ts";
import { assert, assertEquals } from "@std/assert";
import { claimsPage } from "./claims_page.ts";
import { readData } from "./data.ts";
import { errataPage } from "./errata_page.ts";
import { countStatuses } from "./tally.ts";

Deno.test("without a notebook: recomputed, erratum, or not run with a command or what is missing", async () => {
  const { claims, errata } = await readData([]);
  assertEquals(claims.length, (await loadClaims()).length);
  const counts = Object.fromEntries(countStatuses(claims));
  assertEquals(Object.keys(counts), ["recomputed", "erratum", "unrun"]);
  // 84 derived numbers agree, and none of them stands in a row that is misprinted.
  assertEquals(counts.recomputed, 84);
  for (const { id, status, command, witness } of claims) {
    if (status === "erratum") assert(witness?.href.startsWith("errata.html#erratum-"), id);
    if (status === "unrun") assert(command !== undefined && command.length > 20, id);
  }
  const commands = claims.filter(({ command }) => command?.startsWith("deno run -A cli/main.ts reproduce"));
  assert(commands.length > 800, `${commands.length} commands`);
  const page = claimsPage(claims).body;
  assert(page.includes("status-recomputed") && page.includes("cli/main.ts reproduce"));
  const misprint = errata.find(({ printed }) => printed === "42.3");
  assertEquals(misprint?.arithmetic?.endsWith("= 45.298 \\neq 42.3"), true);
  assert(errataPage(errata).body.includes("The printed average is not the mean"));
});
