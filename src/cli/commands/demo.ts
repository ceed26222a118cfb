import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConfigInput } from "../../config/schema.ts";
import { errorLine } from "../../errors.ts";
import { within } from "../../platform/timing.ts";
import type { Log } from "../../ports.ts";
import type { Args } from "../args.ts";
import type { Command } from "../command.ts";
import { harmless } from "../output/terminal-text.ts";
import { describePlace } from "../places.ts";
import type { Program } from "../program.ts";

/** The story must end within this time, in milliseconds; it takes about three seconds, on a busy machine many times that. */
const DEADLINE = 120_000;

/** How long the link to the dashboard logs in, in milliseconds. */
const LOGIN_LIFE = 3_600_000;

/** How many of the relay's last warnings are shown when something went wrong. */
const WARNINGS = 5;

export const command: Command = {
  name: "demo",
  summary: "the whole loop on this machine, in a throw-away folder",
  examples: {
    "wochit-relay demo": "shows the loop, and runs until Ctrl-C",
    "wochit-relay demo --exit": "ends by itself: a test of this machine",
  },
  options: {
    config: { type: "string", value: "FILE", help: "keep the copies in this config's mirror.target, where they stay" },
    exit: { type: "boolean", help: "end when all is shown; exit code 0 only when all of it worked" },
    verbose: { type: "boolean", help: "show the relay's log as well, on stderr" },
  },
  help: "A simulated provider with real media, a relay, and an application that verifies signatures, all on 127.0.0.1.",
  run: demo,
};

/**
 * Shows the main job from end to end. Resolves with 0 when all of it worked; else stderr has what failed. Leaves nothing behind
 * but the copies in the target of `--config`.
 */
async function demo(program: Program, args: Args): Promise<number> {
  // Loaded here so that the other commands start without them.
  const { openLog } = await import("../../platform/log/log.ts");
  const { loadConfig } = await import("../../config/load.ts");
  const { openRelay } = await import("../../relay.ts");
  const { decodeSecret, generateSecret } = await import("../../config/webhook-secret.ts");
  const { openProvider } = await import("../../simulator/provider.ts");
  const { openDemoApp } = await import("../demo/app.ts");
  const { playStory } = await import("../demo/story.ts");

  const { stdout, stderr, ports } = program;
  const say = (line = "") => stdout.write(`${line}\n`);
  const isOwn = args.text("config") === undefined;
  const target = isOwn ? null : (await program.loadConfig({ secrets: "target" })).mirror.target;
  const stopped = program.untilStopped({ hangup: true });
  const opened: (() => Promise<unknown>)[] = [];
  const warnings: string[] = [];
  const log = args.flag("verbose")
    ? await openLog({ level: "debug", format: "auto" }, stderr.isTTY, 2)
    : keepWarnings(warnings);
  try {
    const folder = await mkdtemp(join(tmpdir(), "wochit-relay-demo-"));
    opened.push(() => rm(folder, { recursive: true, force: true }));
    const secret = generateSecret(ports.random);
    const app = await openDemoApp([decodeSecret(secret)], ports.clock);
    opened.push(app.close);
    const provider = await openProvider(ports);
    opened.push(provider.close);

    const configPath = join(folder, "config.json");
    const token = Buffer.from(ports.random.bytes(32)).toString("base64url");
    const input = configFor({ port: await freePort(), app: app.url, secret, token });
    await writeFile(configPath, JSON.stringify(input, null, 2));
    const config = loadConfig(configPath, { env: {}, cwd: folder });
    if (target !== null) config.mirror.target = target;
    const relay = await openRelay(config, { ...ports, log });
    opened.push(relay.close);

    const dashboard = await relay.loginLink(LOGIN_LIFE);
    const relayUrl = input.server!.publicUrl;
    const webhooks = `${relayUrl}${config.receive.path}`;
    say(`wochit-relay demo: everything on this machine, in a folder that is thrown away

  the provider  ${provider.url}  simulated; its media are real, its links are signed and die
  the relay     ${relayUrl}  keeps its data in ${folder}
${target === null ? "" : `  the copies    ${describePlace(target)}  where they stay\n`}  your app      ${app.url}  verifies every signature
  the dashboard ${dashboard}
                open it now, and watch: it logs in once, within the hour`);

    const story = playStory({ provider, webhooks, app, ports, say });
    const late = () => new Error(`this step did not end; the demo was given ${DEADLINE / 1000} seconds`);
    const either = () => Promise.race([story, stopped.then(() => "stopped")]);
    if ((await within(DEADLINE, ports.clock, either, { late })) === "stopped") return 1;
    say(summarize(provider.media(), app.delivered.length));
    if (args.flag("exit")) {
      say(
        '\nWithout "--exit" the demo stays up for you to try. To run it for real begin with "wochit-relay init"; docs/INSTALL.md says more.',
      );
      return 0;
    }
    app.onDelivery(({ body, verdict }) => {
      const what = harmless(`${body.type ?? "an event"} of ${body.wochitVideoId}`);
      say(`your app got ${what}: signature ${verdict.valid ? "valid" : "NOT valid"}`);
    });
    say(whatToTry(webhooks, configPath));
    await stopped;
    return 0;
  } catch (error) {
    const lines = warnings.slice(-WARNINGS).map((line) => `     the relay's log: ${line}\n`);
    stderr.write(`   ✗ ${errorLine(error)}\n${lines.join("")}`);
    return 1;
  } finally {
    for (const close of opened.reverse()) await close().catch(() => {});
  }
}

function configFor({
  port,
  app,
  secret,
  token,
}: Record<"app" | "secret" | "token", string> & { port: number }): ConfigInput {
  const address = `127.0.0.1:${port}`;
  return {
    dataDir: "data",
    admin: { listen: "127.0.0.1:0", token },
    server: { listen: address, publicUrl: `http://${address}` },
    receive: { allowFrom: ["127.0.0.1"] },
    // The simulated provider's links lead to this machine, which a relay refuses by default.
    mirror: { allowPrivateAddresses: ["127.0.0.1"], minFreeDisk: "16MiB" },
    endpoints: [{ id: "your-app", url: app, secret, retry: ["1s", "2s", "5s"] }],
  };
}

function summarize(media: { bytes: Uint8Array }[], events: number): string {
  const bytes = media.reduce((sum, medium) => sum + medium.bytes.length, 0).toLocaleString("en");
  return `
What you saw
  ${events} webhooks     each on disk before the provider got its 200
  ${media.length} media        ${bytes} bytes, copied before their links die, checked by length and sha256
  ${events} deliveries   signed, verified, in order, with links that last`;
}

function whatToTry(webhooks: string, configPath: string): string {
  const example = `{"type":"video.ready","wochitVideoId":"my-first","videoContext":"page-1","title":"Hello"}`;
  return `
Go on: it all stays up until Ctrl-C, and then the folder is removed
  send an event    curl -d '${example}' ${webhooks}
  or many          wochit-relay simulate all --to ${webhooks}
  look inside      wochit-relay events list --config ${configPath}
  for real         docs/INSTALL.md
  (from source, "npm start --" stands for "wochit-relay")
`;
}

/** A log that is read only when the demo fails. */
function keepWarnings(warnings: string[]): Log {
  const keep = (fact: string, fields: Record<string, unknown> = {}) => {
    const details = ["host", "status", "error"].map((name) => fields[name]).filter((value) => value !== undefined);
    warnings.push([fact, ...details].join(": "));
  };
  return { debug() {}, info() {}, warn: keep, error: keep };
}

/** A port for the relay, which must be known before it starts: the addresses of the copies contain it. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await once(server.close(), "close");
  return port;
}
