import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { renderMath } from "./math.ts";

Deno.test("TeX becomes MathML without styles, with tight bars and spaced functions", () => {
  const html = renderMath("2\\max\\lvert x\\rvert + \\log y + \\color{red}{z}", true);
  assertStringIncludes(html, '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">');
  assert(!html.includes("style="));
  assertStringIncludes(html, '<mo stretchy="false" lspace="0em" rspace="0em">|</mo><mi>x</mi>');
  assertStringIncludes(html, '<mn>2</mn><mspace width="0.167em"></mspace><mi>max</mi>');
  assertStringIncludes(html, '<mo>\u2061</mo><mspace width="0.167em"></mspace><mi>y</mi>');
});

Deno.test("a link in a formula is not followed, unreadable and endless TeX is shown as written", () => {
  assert(!renderMath("\\href{javascript:alert(1)}{x}", false).includes("href="));
  assertEquals(renderMath("\\frac{1", false), "<code>\\frac{1</code>");
  assertEquals(renderMath("<".repeat(5000), false), `<code>${"&lt;".repeat(5000)}</code>`);
});
