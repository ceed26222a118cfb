import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryJob } from "../../src/model/delivery.ts";
import { createEndpointWorkers } from "../../src/relay/endpoints.ts";
import type { Store } from "../../src/store/store.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { testClock, testPorts } from "../support/ports.ts";

const SECRET = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;

test("a delivery that came for an endpoint which changed meanwhile is due at once for the new one", async (t) => {
  const clock = testClock();
  let claims = 0;
  let given = () => {};
  const store = {
    claimDeliveries: async () => {
      claims++;
      return { jobs: [], nextDue: null };
    },
    renew: () =>
      new Promise<boolean>((resolve) => {
        given = () => resolve(true);
      }),
  } as unknown as Store;
  const [endpoint] = configIn(tempFolder(t), {
    endpoints: [{ id: "app", url: "http://127.0.0.1:9/", secret: SECRET }],
  }).endpoints;
  const workers = createEndpointWorkers({
    store,
    ports: testPorts(clock),
    link: () => null as never,
    userAgent: "test",
    connectTimeout: 1_000,
  });
  t.after(() => workers.stop(0));
  workers.apply([endpoint!]);
  await clock.advance(0);
  const held = workers.hold();
  assert.deepEqual(held.endpoints, ["app"]);
  workers.apply([{ ...endpoint!, concurrency: endpoint!.concurrency + 1 }]);
  await clock.advance(0);
  held.use([{ id: "d", claim: "1", endpoint: "app" } as DeliveryJob]);
  await clock.advance(0);
  const before = claims;
  given();
  await clock.advance(0);
  assert.equal(claims, before + 1);
});
