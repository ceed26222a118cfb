import { spawn, spawnSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/** How the relay comes by its port: systemd's own tool holds it, or a few lines of ours, or the relay opens it itself. */
export type Holder = "systemd" | "own" | "none";

/** What stands in for systemd: it starts the relay, and after its end starts it again, over one and the same socket. */
export type Supervisor = {
  /** SIGTERM, its end, a new start. Resolves when that is under way; says how the old one ended. */
  restart(): Promise<{ code: number }>;
  /** SIGTERM, and its end. */
  stop(): Promise<{ code: number }>;
  /** Ends all of it, however it stands. */
  kill(): void;
};

/** Why this one cannot be had here, for `skip`; false: it can. */
export function noHolder(holder: Holder): string | false {
  if (holder === "none") return false;
  const [program, debian] = holder === "systemd" ? ["systemd-socket-activate", "systemd"] : ["perl", "perl-base"];
  return (
    spawnSync(program, ["--version"]).error !== undefined &&
    `${program} not installed (Debian: apt-get install ${debian})`
  );
}

/**
 * Stays with the listening socket, its file descriptor 3, and starts the relay for each line that it reads: with the
 * variables of sd_listen_fds(3) where $HAND_OVER is set. `exec` in a shell of its own, so that LISTEN_PID is the relay's.
 */
const LOOP = `
  while read -r _; do
    sh -c 'test -z "$HAND_OVER" || export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http; exec "$@"' sh "$@" >&2 &
    echo "started $!"
    wait $!
    echo "ended $?"
  done
`;

/** Opens a listening socket as file descriptor 3, and becomes what its further arguments say. Node would accept by itself. */
const LISTEN = `
  use Socket; use POSIX ();
  my $port = shift;
  socket(S, AF_INET, SOCK_STREAM, 0) && setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1) or die $!;
  bind(S, sockaddr_in($port, INADDR_LOOPBACK)) && listen(S, 4096) or die $!;
  POSIX::dup2(fileno(S), 9); POSIX::dup2(9, 3); POSIX::close(9); # a copy outlives exec, also where it was 3 before
  exec @ARGV;
`;

/** Starts a command that serves on this port of 127.0.0.1. What it writes goes to `log`, a file. */
export async function supervise(options: {
  holder: Holder;
  port: number;
  command: string[];
  log: string;
  env?: Record<string, string>;
}): Promise<Supervisor> {
  const { holder, port, command } = options;
  const loop = ["sh", "-c", LOOP, "sh", ...command];
  const own = [...Object.keys(options.env ?? {}), "HAND_OVER"];
  const [program, ...args] = {
    none: loop,
    own: ["perl", "-e", LISTEN, String(port), ...loop],
    systemd: [
      "systemd-socket-activate",
      `--listen=127.0.0.1:${port}`,
      ...own.map((name) => `--setenv=${name}`),
      ...loop,
    ],
  }[holder];
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const child = spawn(program!, args, {
    detached: true, // a group of its own, to be ended as one
    env: { ...inherited, ...options.env, HAND_OVER: holder === "none" ? "" : "yes" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stderr.on("data", (chunk) => appendFileSync(options.log, chunk));
  const said = readWords(child.stdout);
  const kill = () => {
    try {
      process.kill(-child.pid!, "SIGKILL");
    } catch {
      // All of it has ended.
    }
  };
  process.once("exit", kill);
  child.once("close", () => process.off("exit", kill));

  async function start(): Promise<number> {
    child.stdin.write("start\n");
    return said("started");
  }
  async function end(): Promise<{ code: number }> {
    process.kill(pid, "SIGTERM");
    return { code: await said("ended") };
  }
  // systemd-socket-activate hands over at the first connection.
  if (holder === "systemd") void knock(port);
  let pid = await start();
  return {
    async restart() {
      const ending = await end();
      pid = await start();
      return ending;
    },
    async stop() {
      const ending = await end();
      kill();
      return ending;
    },
    kill,
  };
}

/** The loop's lines, "started 123" and "ended 0", as they are waited for. Rejects when the loop has ended. */
function readWords(stream: Readable): (word: string) => Promise<number> {
  const lines: string[] = [];
  let rest = "";
  let over = false;
  let wake = () => {};
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop()!;
    lines.push(...parts);
    wake();
  });
  stream.on("close", () => {
    over = true;
    wake();
  });
  return async (word) => {
    while (lines.length === 0 && !over) await new Promise<void>((resolve) => (wake = resolve));
    const [said, number] = (lines.shift() ?? "nothing").split(" ");
    if (said !== word) throw new Error(`the supervisor said "${said}" instead of "${word}"`);
    return Number(number);
  };
}

/** Connects once, as soon as it can be done. */
async function knock(port: number): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const isIn = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true));
      socket.on("error", () => resolve(false));
      socket.on("connect", () => socket.end());
      socket.unref();
    });
    if (isIn) return;
    await sleep(10);
  }
}
