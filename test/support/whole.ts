import process from "node:process";

/** Long suites have a short form for `npm test`. `npm run test:whole` runs their whole form: it sets TESTS. */
export const isWhole = process.env.TESTS === "whole";

/** For `skip` of what the short form leaves out; .ci/run expects these words. */
export const wholeOnly: string | false = !isWhole && "left to npm run test:whole";
