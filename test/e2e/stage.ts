import assert from "node:assert/strict";
import type { ConfigInput } from "../../src/config/schema.ts";
import { type EventOptions, type EventType, makeEvent } from "../../src/simulator/events.ts";
import { openProvider, type Provider } from "../../src/simulator/provider.ts";
import { sendEvent } from "../../src/simulator/send.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver, type Received, type Receiver } from "../support/receiver.ts";
import { endpointTo, type RelayInFolder, startRelay } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

export const VIDEO = "6094092472a9105747957aa3";
export const CONTEXT = "string-sent-when-opened-the-video-editor";

export type Answer = { id: string; status: string };

/** Everybody who takes part in the main job, over real sockets. */
export type Stage = {
  provider: Provider;
  relay: RelayInFolder;
  app: Receiver;
  /** Posts bytes to the relay, which must take them, and gives its answer. */
  post(body: Uint8Array): Promise<Answer>;
  /** Posts an event, about VIDEO and CONTEXT unless told. */
  send(type: EventType, wish?: Partial<EventOptions>): Promise<Answer>;
  /** The `nth` delivery of an event to a path of the application, once it is there. */
  delivery(id: string, path?: string, nth?: number): Promise<Received>;
};

export type StageOptions = Omit<ConfigInput, "endpoints"> & {
  /** One endpoint at the application's address unless told. */
  endpoints?: (app: string) => ConfigInput["endpoints"];
};

/** Opens it all, runs the test on it, and leaves nothing behind. */
export async function withStage(
  options: StageOptions,
  run: (stage: Stage) => Promise<void>,
  ports = realPorts(),
): Promise<void> {
  const { endpoints = (app: string) => [endpointTo(app)], ...config } = options;
  const provider = await openProvider(ports);
  const app = await openReceiver();
  let relay: RelayInFolder | undefined;
  try {
    relay = await startRelay({ ...config, endpoints: endpoints(app.url) }, ports);
    const { webhooks } = relay;
    const post = async (body: Uint8Array) => {
      const sent = await sendEvent(webhooks, body, ports);
      assert.equal(sent.status, 200, JSON.stringify(sent.json));
      return sent.json as Answer;
    };
    await run({
      provider,
      relay,
      app,
      post,
      send(type, wish = {}) {
        return post(makeEvent(type, { random: ports.random, videoId: VIDEO, context: CONTEXT, ...wish }).body);
      },
      delivery(id, path = "/", nth = 0) {
        const isMeant = (one: Received) => one.headers["webhook-id"] === id && one.path === path;
        return waitFor(() => app.requests.filter(isMeant)[nth]);
      },
    });
  } finally {
    await relay?.close();
    await app.close();
    await provider.close();
  }
}
