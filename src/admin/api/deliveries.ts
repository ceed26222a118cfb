import * as v from "valibot";
import { cancelDelivery, deliveries, deliveryReasons, retryDelivery, showDelivery } from "../../actions/deliveries.ts";
import { collect } from "../../actions/list.ts";
import { delivery, deliveryPage } from "../answers/events.ts";
import { deliveryDetails, deliveryReasonList } from "../answers/relay.ts";
import { filterOf, manyOperation } from "../many.ts";
import { type Operation, operation, type Schema } from "../operation.ts";
import { filterEntries, type Given, listPage, listQuery, rangeEntries, readSelection } from "../query.ts";

/** The newest attempts of a delivery that it is shown with. */
const SHOWN = 500;

const TAG = { tag: "deliveries" } as const;

export const deliveryOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/deliveries", id: "listDeliveries" },
    summary: "What was, is and will be sent, newest first",
    query: listQuery(deliveries),
    answer: deliveryPage,
    errors: ["cursor_expired"],
    run: (asked, place) => listPage(deliveries, asked, place),
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/deliveries/reasons", id: "listDeliveryReasons" },
    summary: "What failed, by endpoint and error: the dead ones unless state says otherwise",
    query: v.strictObject({ ...filterEntries(deliveryReasons.filters), ...rangeEntries }) as unknown as Schema<Given>,
    answer: deliveryReasonList,
    errors: ["not_found"],
    run: async ({ query }, place) => {
      const wish = await readSelection<typeof deliveryReasons.filters>(query, place);
      return { data: await collect(deliveryReasons.rows(place, { ...wish, limit: SHOWN })) };
    },
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/deliveries/{id}", id: "showDelivery" },
    summary: "One delivery with its newest attempts, the first one first",
    answer: deliveryDetails,
    errors: ["not_found"],
    async run({ path }, { store }) {
      const { delivery, why } = await showDelivery(store, path.id!, SHOWN);
      return { ...delivery, why };
    },
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/deliveries/{id}/retry", id: "retryDelivery" },
    summary: "Attempts a delivery at once, with a fresh budget of attempts",
    answer: delivery,
    errors: ["not_found", "conflict", "body_expired"],
    run: ({ path }, { store, ports }) => retryDelivery(store, path.id!, ports.clock.now()),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/deliveries/{id}/cancel", id: "cancelDelivery" },
    summary: "Gives a delivery up",
    answer: delivery,
    errors: ["not_found", "conflict"],
    run: ({ path }, { store, ports }) => cancelDelivery(store, path.id!, ports.clock.now()),
  }),
  manyOperation({
    ...{ ...TAG, verb: "retry", path: "/deliveries/retry", id: "retryDeliveries" },
    summary: "Attempts many deliveries again: the dead ones, unless state says otherwise",
    filters: deliveries.filters,
    takesIds: true,
    wish: (filter) => ({ filter: filterOf(filter) }),
  }),
  manyOperation({
    ...{ ...TAG, verb: "cancel", path: "/deliveries/cancel", id: "cancelDeliveries" },
    summary: "Gives many deliveries up: all that have not ended, unless state says otherwise",
    filters: deliveries.filters,
    isPaced: false,
    takesIds: true,
    wish: (filter) => ({ filter: filterOf(filter) }),
  }),
];
