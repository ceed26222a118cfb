import { listEndpoints } from "../../../actions/endpoints.ts";
import { readBacklog } from "../../../actions/outcome/backlog.ts";
import { readEndpointHours } from "../../../actions/outcome/hours.ts";
import type { Page } from "../../page.ts";
import { endpointTable } from "../../parts/endpoints/table.ts";
import { html } from "../../parts/html.ts";
import { empty } from "../../parts/tables.ts";

export const endpointsPage: Page = {
  path: "/endpoints",
  section: "/endpoints",
  async show({ place, times }) {
    const endpoints = await listEndpoints(place.store, place.config);
    const ids = endpoints.map(({ id }) => id);
    const [hours, backlog] = await Promise.all([
      readEndpointHours(place.store, ids, { now: times.now }),
      readBacklog(place.store, endpoints, times.now),
    ]);
    const none = empty(
      "There is no endpoint",
      html`<p>Events are kept, and sent to no app, until the config names one under <span class="id">endpoints</span> and the relay has read it:</p><pre class="answer">wochit-relay reload</pre>`,
    );
    return {
      title: "Endpoints",
      under: html`Your apps, as the config names them. To add or change one, edit the config and reload.`,
      shell: ["wochit-relay endpoints list", "wochit-relay reload"],
      content: ids.length === 0 ? none : endpointTable(endpoints, { hours, backlog }, times),
    };
  },
};
