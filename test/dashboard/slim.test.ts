import assert from "node:assert/strict";
import { test } from "node:test";
import { slimScript, slimSheet } from "../../src/dashboard/assets/slim.ts";

test("a sheet loses what is for its readers, and no space that means something", () => {
  const sheet = `/* one
   two */
  .a > .b,
  td :hover, .c:not(.d) .e::after {
    width: calc(100% - 2rem);
    font: 1rem / 1.5 "Two Words", serif;
    content: "";
  }
  @media (max-width: 10rem) and (hover) { .f { margin: 0 !important; } }
`;
  assert.equal(
    slimSheet(sheet),
    '.a>.b,td :hover,.c:not(.d) .e::after{width:calc(100% - 2rem);font:1rem / 1.5 "Two Words",serif;content:""}@media (max-width:10rem) and (hover){.f{margin:0 !important}}',
  );
});

test("a script loses its comments and its indentation", () => {
  const script = `// What it does.
(() => {
  /** Said once. */
  const a = "// no comment";

  // biome-ignore x: y
  go(a); // stays
})();
`;
  assert.equal(slimScript(script), '(() => {\nconst a = "// no comment";\ngo(a); // stays\n})();');
});
