import type { Link } from "../actions/json.ts";
import type { Sources } from "../actions/list.ts";
import { type Config, parseListen } from "../config/schema.ts";
import { mediaLink, originOf } from "../links/durable-link.ts";
import type { Store } from "../store/store.ts";
import type { MirrorTarget } from "../targets/target.ts";
import { findPresent } from "./places.ts";
import type { Program } from "./program.ts";

/**
 * What an operating command reads: the config, its database beside a relay that may be running, and links to copies. With
 * `toRead` a config with problems is no obstacle.
 */
export async function openSources(program: Program, { toRead = false } = {}): Promise<Sources> {
  const config = toRead ? await program.loadConfigToRead() : await program.loadConfig({ secrets: false });
  const store = await program.openStore(config);
  return { config, store, openLink: () => openLink(store, config, program) };
}

/**
 * Durable addresses of copies as the relay gives them, also where it listens on a port that the config does not name: port
 * 0, or a socket from systemd. Null where no relay has run yet.
 */
async function openLink(store: Store, { server, mirror }: Config, { hostname }: Program): Promise<Link> {
  const { port } = parseListen(server.listen)!;
  const noted = server.publicUrl ?? (await store.publicUrl());
  const publicUrl = noted ?? (port === 0 ? null : originOf(server, hostname, port));
  const secret = await store.mediaSecret();
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
