import { codeOf, errorLine } from "../../../errors.ts";
import { explainTrust } from "../../../platform/net/trust.ts";
import { stateOf } from "./errors.ts";

/** What to do where a server does not let in: by what it answers, or what the driver makes of that. */
const ADVICE: { isIt(error: Error): boolean; advice: string }[] = [
  { isIt: (error) => stateOf(error) === "28P01", advice: "store.url has another password than the role" },
  {
    isIt: (error) => stateOf(error) === "28000" && /no encryption/.test(error.message),
    advice: "where it takes TLS only, sslmode=disable must go from store.url",
  },
  { isIt: (error) => stateOf(error) === "3D000", advice: "make it, or name another one in store.url" },
  {
    isIt: (error) => codeOf(error) === "ERR_TLS_CERT_ALTNAME_INVALID",
    advice: "store.url must name the host as its certificate does",
  },
  {
    isIt: ({ message }) => /does not support SSL/.test(message),
    advice: "turn TLS on there, or, where the network is trusted, add sslmode=disable to store.url",
  },
];

/** The driver says this in words of the protocol. */
const NO_PASSWORD = /client password must be/;

/** One line of an error of a connection, with what to do where that is known. */
export function explained(error: unknown): string {
  if (!(error instanceof Error)) return errorLine(error);
  if (NO_PASSWORD.test(error.message)) return "asks for a password: store.url has none";
  const line = errorLine(explainTrust(error, "store.ca"));
  const known = ADVICE.find(({ isIt }) => isIt(error));
  return known === undefined ? line : `${line}: ${known.advice}`;
}
