import { isIP } from "node:net";
import { refusalOf } from "./addresses.ts";

/** Endings of names that only a private network knows (RFC 6761, RFC 6762, RFC 8375, and what is customary). */
const PRIVATE = /\.(internal|local|localhost|lan|home|corp|intranet|private|test|invalid|svc|home\.arpa)\.?$/i;

/** Whether a host, as a URL has it without brackets, is a public address, or a name that is probably public. No lookup is made. */
export function isPublicHost(host: string): boolean {
  if (isIP(host) !== 0) return refusalOf(host, false) === null;
  return host.replace(/\.$/, "").includes(".") && !PRIVATE.test(host);
}
