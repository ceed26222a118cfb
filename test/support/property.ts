import fc from "fast-check";

// With a fixed seed a run is the same everywhere, and a counterexample comes again.
fc.configureGlobal({ seed: 1 });

/** Fails with the smallest counterexample that is found in `runs` random cases. */
export function holdsForAll<Case>(cases: fc.Arbitrary<Case>, check: (each: Case) => void, runs = 1_000): void {
  fc.assert(fc.property(cases, check), { numRuns: runs });
}

export { fc };
