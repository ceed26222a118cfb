import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { openWire, type Wire, type WireOptions } from "../../src/store/postgres/wire/open.ts";
import { listen } from "./listen.ts";
import type { PostgresServer } from "./postgres.ts";
import { realPorts } from "./real-ports.ts";

type Owner = Pick<TestContext, "after">;

/** A way to databases that is closed when the test ends. `url`: of one database, or of each of several hosts. */
export async function testWire(
  t: Owner,
  url: string | string[],
  { ports = realPorts(), ...options }: Partial<WireOptions> & { ports?: Parameters<typeof openWire>[1] } = {},
): Promise<Wire> {
  for (let tries = 1; ; tries++) {
    try {
      const wire = await openWire({ url: typeof url === "string" ? url : together(url), ca: null, ...options }, ports);
      t.after(wire.close);
      return wire;
    } catch (error) {
      // A machine that is busy lets a server wait.
      if (tries === 10 || !/no answer within/.test((error as Error).message)) throw error;
    }
  }
}

/** "committed", or what it failed with. */
export function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "committed",
    (error: unknown) => error,
  );
}

/** One address of the hosts of several. */
export function together(urls: string[]): string {
  const hosts = urls.map((url) => /@([^/]+)/.exec(url)![1]);
  return urls[0]!.replace(/@[^/]+/, `@${hosts.join(",")}`);
}

/** A statement without a name. */
export function statement(text: string, ...values: (string | number | Uint8Array | null)[]) {
  return { name: "", text, values };
}

export type Wiretap = {
  /** As `url` of a server, through the tap. */
  url(database?: string): string;
  /** What passes to the server, or from it, is given to this; where it returns false, that is dropped, and with it all that follows. */
  watch(look: (bytes: Buffer, to: "server" | "client", link: { cut(): void }) => boolean): void;
  /** What passes takes so many milliseconds more, there and back; before anything does. */
  delay(ms: number): void;
  /** From now on nothing passes, and nothing is closed: as behind a wire that was cut. `false`: what comes now passes. */
  silence(isSilent: boolean): void;
};

/** Stands between a client and a server. */
export async function tapWire(t: Owner, server: PostgresServer): Promise<Wiretap> {
  let look: Parameters<Wiretap["watch"]>[0] = () => true;
  let isSilent = false;
  let delay = 0;
  const links = new Set<{ isSilent: boolean }>();
  const { port } = await listen(
    t,
    createServer((client) => {
      const upstream = connect(server.port, "127.0.0.1");
      const link = { isSilent };
      links.add(link);
      const cut = () => {
        client.destroy();
        upstream.destroy();
      };
      const pass = (from: Socket, to: Socket, side: "server" | "client") => {
        from.setNoDelay();
        from.on("error", () => {});
        from.on("close", () => {
          // The end of one side is a word, too.
          if (!link.isSilent || side === "server") to.destroy();
        });
        from.on("data", (bytes) => {
          if (!link.isSilent && !look(bytes, side, { cut })) link.isSilent = true;
          if (link.isSilent) return;
          const put = () => void (to.destroyed || to.write(bytes));
          if (delay === 0) put();
          else setTimeout(put, delay / 2);
        });
      };
      pass(client, upstream, "server");
      pass(upstream, client, "client");
    }),
  );
  return {
    url: (database) => server.url(database).replace(`:${server.port}/`, `:${port}/`),
    watch(given) {
      look = given;
    },
    delay(given) {
      delay = given;
    },
    silence(given) {
      isSilent = given;
      if (given) for (const link of links) link.isSilent = true;
    },
  };
}
