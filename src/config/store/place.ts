import { RelayError } from "../../errors.ts";
import { isLoopback } from "../own-webhook.ts";

/** Where a database is, and how one gets in. `tls`: the server's certificate is verified, its name too. */
export type Place = {
  hosts: { host: string; port: number }[];
  user: string;
  /** "" where the address has none. */
  password: string;
  database: string;
  tls: boolean;
  /** What the server lists the connections under; null: the default. */
  application: string | null;
};

const DEFAULT_PORT = 5432;

/** What libpq knows (postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS): only such a name is repeated in an error. */
const KNOWN =
  /^(host|hostaddr|port|dbname|user|password|passfile|require_auth|channel_binding|connect_timeout|client_encoding|options|application_name|fallback_application_name|keepalives\w*|tcp_user_timeout|replication|gssencmode|sslmode|requiressl|sslnegotiation|sslcompression|sslcert|sslkey|sslpassword|sslcertmode|sslrootcert|sslcrl|sslcrldir|sslsni|requirepeer|ssl_\w+_protocol_version|krbsrvname|gsslib|gssdelegation|service|target_session_attrs|load_balance_hosts)$/;

const ADDRESS = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?@]*)(?:\/([^/?]*))?(?:\?(.*))?$/;

/**
 * Reads `store.url`: `postgres://user:password@host[:port][,host[:port]…]/database[?option=value&…]`. RelayError("config") in
 * one line where something is not understood; it repeats nothing of the address but hosts' numbers and names of options, so
 * no part of a password, however the address is spoiled.
 */
export function parsePlace(url: string): Place {
  // URL takes one host only. It would also find a host in what is a password with a bare @, / or ? in it.
  const [, access, hosts, database, query = ""] = (/[#\s]/.test(url) ? null : ADDRESS.exec(url)) ?? [];
  if (hosts === undefined)
    throw wrong(
      "must be postgres://user:password@host:5432/database; of a password, each of @ / ? # : % is written as %40 and so on",
    );
  const [user, password = "", ...more] = (access ?? "").split(":").map(decoded);
  if (more.length > 0) throw wrong("has a second : before the @: of a password it is written as %3A");
  if (!user) throw wrong("names no user: postgres://user:password@host/database");
  if (!database) throw wrong("names no database: postgres://user:password@host/database");
  const options = optionsOf(query);
  const places = hosts.split(",").map(hostAt);
  return {
    hosts: places,
    user,
    password,
    database: decoded(database),
    tls: needsTls(options.get("sslmode"), places),
    application: options.get("application_name") ?? null,
  };
}

function hostAt(text: string, index: number): { host: string; port: number } {
  const [, bracketed, name, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? name;
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  if (host === undefined || !/^[\w.:-]+$/.test(host))
    throw wrong(`has no name or address as host ${index + 1}: host, host:5432 or [address]:5432`);
  if (port < 1 || port > 65_535) throw wrong(`has a port of host ${index + 1} that is not from 1 to 65535`);
  return { host, port };
}

function optionsOf(query: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const pair of query.split("&").filter((each) => each !== "")) {
    const at = pair.indexOf("=");
    const name = at === -1 ? pair : pair.slice(0, at);
    if (!KNOWN.test(name)) throw wrong("has an option that is no option of PostgreSQL");
    if (options.has(name)) throw wrong(`has the option ${name} twice`);
    options.set(name, decoded(pair.slice(at + 1).replaceAll("+", " ")));
  }
  for (const [name, value] of options) {
    if (["sslmode", "application_name"].includes(name)) continue;
    // It is what the relay does anyway.
    if (name === "target_session_attrs" && ["primary", "read-write"].includes(value)) continue;
    throw wrong(
      `has the option ${name}${name === "target_session_attrs" ? " with another value than read-write" : ""}, which is not understood: remove it${adviceOf(name)}`,
    );
  }
  return options;
}

function adviceOf(name: string): string {
  if (name === "sslrootcert") return ", and give the authority's certificate as store.ca";
  if (name === "host" || name === "port") return ", and write all hosts before the database: host1:5432,host2:5432";
  return "";
}

/** Without a word of it there is TLS, unless nothing leaves the machine. */
function needsTls(mode: string | undefined, hosts: Place["hosts"]): boolean {
  switch (mode) {
    case undefined:
      return !hosts.every(({ host }) => isLoopback(host));
    case "disable":
      return false;
    // What they promise, and more.
    case "require":
    case "verify-ca":
    case "verify-full":
      return true;
    default:
      throw wrong("has an sslmode that is not understood: verify-full, or disable where the network is trusted");
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("has a % that is not followed by two digits: a % itself is written as %25");
  }
}

function wrong(what: string): RelayError {
  return new RelayError("config", what);
}
