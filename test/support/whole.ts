import process from "node:process";

/** Suites that run long have a short form for `npm test`, and their whole form for `npm run test:whole`, which says so by TESTS. */
export const isWhole = process.env.TESTS === "whole";
