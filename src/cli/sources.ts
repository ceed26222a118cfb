import type { Link } from "../actions/json.ts";
import type { Sources } from "../actions/list.ts";
import { findPresent } from "../actions/move/copies.ts";
import { type Config, parseListen } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import { mediaLink, originOf } from "../links/durable-link.ts";
import type { Actor, Deed } from "../model/audit.ts";
import { LINK_SECRET_BYTES } from "../model/link-secret.ts";
import { lookAtMachine } from "../platform/machine.ts";
import { auditedStore } from "../store/access/audited.ts";
import type { Store } from "../store/store.ts";
import type { MirrorTarget } from "../targets/target.ts";
import type { Program } from "./program.ts";

/**
 * What an operating command works with: the config, its database beside a relay that may be running, and links to copies. With
 * `toRead` a config with problems is no obstacle; else it is none while the relay runs that was started with it. With `marks` it
 * has the marks of its endpoints' secrets.
 */
export async function openSources(program: Program, { toRead = false, marks = false } = {}): Promise<Sources> {
  const secrets = marks && "marks";
  const config = toRead ? await program.loadConfigToRead({ secrets }) : await program.loadConfigToChange();
  const store = auditedStore(await program.openStore(config), actorOf(program));
  return { config, store, openLink: () => openLink(store, config, program) };
}

/** Who runs a command, for the audit. */
export function actorOf({ env }: Pick<Program, "env">): Actor {
  const { user } = lookAtMachine();
  const behind = user === 0 && env.SUDO_USER ? ` (${env.SUDO_USER})` : "";
  return { through: "cli", by: user === null ? "a user" : `uid ${user}${behind}` };
}

/** Enters in the audit what a command has done that no verb of the store does; nothing where no relay has run yet. */
export async function noteDeed(
  program: Program,
  open: () => Promise<Store>,
  deed: Pick<Deed, "verb" | "subject"> & Partial<Deed>,
): Promise<void> {
  try {
    await (await open()).noteDeed(actorOf(program), { count: null, outcome: "done", ...deed });
  } catch (error) {
    if (error instanceof RelayError && ["not_found", "conflict"].includes(error.code)) return;
    program.ports.log.warn("the audit could not take a note of it", { error: errorLine(error) });
  }
}

/**
 * Durable addresses of copies as the relay gives them, also where it listens on a port that the config does not name: port
 * 0, or a socket from systemd. Null where no relay has run yet.
 */
async function openLink(store: Store, { server, mirror }: Config, { hostname, ports }: Program): Promise<Link> {
  const { port } = parseListen(server.listen)!;
  const noted = server.publicUrl ?? (await store.publicUrl());
  const publicUrl = noted ?? (port === 0 ? null : originOf(server, hostname, port));
  const [first] = await store.ensureLinkSecret(ports.random.bytes(LINK_SECRET_BYTES));
  const { secret } = first!;
  const presentTarget = mirror.publicBaseUrl === null ? null : await findPresent(store, mirror.target);
  return (copy) => mediaLink({ ...mirror, publicUrl, secret, presentTarget }, copy);
}

/** Runs `work` with the mirror target of a config, beside a relay that may be running. */
export async function withTarget<T>(
  { ports }: Program,
  { mirror }: Config,
  work: (target: MirrorTarget) => Promise<T>,
): Promise<T> {
  const { openTarget } = await import("../targets/table.ts");
  const target = await openTarget(mirror.target, { access: "shared", clock: ports.clock });
  return work(target).finally(() => target.close());
}
