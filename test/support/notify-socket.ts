import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { tempFolder } from "./folder.ts";
import { waitFor } from "./wait.ts";

/** Why no notification can be sent and heard here, for `skip`; false: it can. */
export const noNotifySocket: string | false = whyNot();

function whyNot(): string | false {
  const missing = ["systemd-notify", "perl"].filter((name) => spawnSync(name, ["--version"]).error !== undefined);
  return missing.length > 0 && `${missing.join(" and ")} not installed (Debian: apt-get install systemd perl-base)`;
}

export type NotifySocket = {
  /** For $NOTIFY_SOCKET. */
  path: string;
  /** Each notification so far, as its assignments, in the order they came. */
  heard: string[][];
  /** Waits until so many have come. */
  hear(count: number): Promise<string[][]>;
};

/**
 * Neither Node nor Deno opens datagram sockets of the AF_UNIX family; the Perl of every Debian does. Descriptors that come
 * along are not taken, and so closed: that is what systemd-notify(1) waits for (sd_notify_barrier(3)).
 */
const RECEIVER = `
  use Socket;
  $| = 1;
  socket(S, AF_UNIX, SOCK_DGRAM, 0) && bind(S, pack_sockaddr_un($ARGV[0])) or die $!;
  print "BOUND\\0";
  print "$data\\0" while defined recv(S, $data, 65536, 0);
`;

/** A service manager's end of sd_notify(3): a real socket. */
export async function openNotifySocket(t: Pick<TestContext, "after">): Promise<NotifySocket> {
  const path = join(tempFolder(t), "notify");
  const child = spawn("perl", ["-e", RECEIVER, path], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill());
  const came: string[] = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const datagrams = (rest + chunk).split("\0");
    rest = datagrams.pop()!;
    came.push(...datagrams);
  });
  await waitFor(() => came.shift() === "BOUND");
  const heard = () => came.filter((datagram) => datagram !== "BARRIER=1").map((datagram) => datagram.split("\n"));
  return {
    path,
    get heard() {
      return heard();
    },
    hear: (count) => waitFor(() => heard().length >= count && heard()),
  };
}
