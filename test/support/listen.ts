import type { AddressInfo, Server, Socket } from "node:net";
import type { TestContext } from "node:test";

export type Listening = { port: number; url: string; close(): Promise<void> };

/**
 * Lets a server listen on a free port of 127.0.0.1. `close` ends it and all of its connections, and so does the end of the
 * test. `listen(null, server)`: the caller closes it.
 */
export async function listen(t: Pick<TestContext, "after"> | null, server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  async function close(): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    // On Deno an HTTP server shows no sockets.
    if ("closeAllConnections" in server) (server.closeAllConnections as () => void)();
    for (const socket of sockets) socket.destroy();
    await closed;
  }
  t?.after(close);
  return { port, url: `http://127.0.0.1:${port}`, close };
}
