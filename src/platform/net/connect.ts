import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { openGuard, openLookup, RefusedAddress, type Resolve } from "./outbound.ts";

/**
 * A TCP connection that is no HTTP, to any address but those of metadata services: RefusedAddress for one of these. The signal
 * ends it at any time. `resolve`, for tests: answers instead of the system's resolver.
 */
export async function connectTo(
  { host, port }: { host: string; port: number },
  signal: AbortSignal,
  resolve?: Resolve,
): Promise<Socket> {
  const refusal = isIP(host) === 0 ? null : openGuard(true)(host, host);
  if (refusal !== null) throw new RefusedAddress(`${host} is ${refusal}, which is not allowed`);
  signal.throwIfAborted();
  const socket = connect({ host, port, lookup: openLookup(true, resolve) });
  signal.addEventListener("abort", () => socket.destroy());
  // An error that comes while no one listens would end the process.
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}
