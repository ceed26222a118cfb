import { SET, shownUrl } from "../../config/hidden.ts";
import { type AlertReceiver, type Config, configSchema, type Endpoint } from "../../config/schema.ts";
import { formatDuration, formatSize } from "../../config/units.ts";
import { unitOf } from "../../config/values.ts";
import { type Target, typeOf } from "../../targets/table.ts";

/**
 * The config that holds, as a file would say it: with all defaults, absolute paths, durations and sizes in their units. In
 * place of each secret, and of credentials in URLs, is "(set)".
 */
export function effectiveConfig(config: Config) {
  const { file, warnings, receive, mirror, endpoints, admin, store, alerts, ...rest } = config;
  const { tokens, ...ofReceive } = receive;
  const shown = {
    ...rest,
    receive: { ...ofReceive, token: tokens.length === 0 ? null : tokens.map(() => SET) },
    mirror: { ...mirror, target: shownTarget(mirror.target), formerTargets: mirror.formerTargets.map(shownTarget) },
    endpoints: endpoints.map(shownEndpoint),
    // What the file of `ca` holds.
    store: store && { url: SET, ca: store.url !== null && store.ca !== null ? SET : null },
    alerts: alerts && {
      to: alerts.to.map(shownReceiver),
      heartbeat: alerts.heartbeat && { ...alerts.heartbeat, url: SET },
    },
    admin: admin && {
      ...admin,
      token: admin.token === null ? null : SET,
      tokens: admin.tokens.map(({ name, can }) => ({ name, token: SET, can })),
    },
  };
  const written = write(configSchema as unknown as Shape, shown) as Record<string, unknown>;
  return { file, config: written, warnings };
}

function shownReceiver(receiver: AlertReceiver): Record<string, unknown> {
  const { name, format, atLeast } = receiver;
  return format === "mail"
    ? { name, mail: receiver.mail, from: receiver.from, smtp: SET, atLeast }
    : { name, url: SET, format, atLeast };
}

function shownEndpoint({ keys, headers: _, headerNames, tls, url, ...rest }: Endpoint) {
  return {
    ...rest,
    url: shownUrl(url),
    secret: keys.map(() => SET),
    headers: Object.fromEntries(headerNames.map((name) => [name, SET])),
    // What the files hold.
    tls: tls && Object.fromEntries(Object.entries(tls).map(([name, value]) => [name, value == null ? null : SET])),
  };
}

/** The options of a target that are no secret, and "(set)" for those that are, where its credentials are given. */
function shownTarget(target: Target): Record<string, unknown> {
  const { options, secrets } = typeOf(target);
  const given = target as Record<string, unknown>;
  const hasSecrets = given.credentials != null;
  const names = Object.keys((options as unknown as Required<Shape>).entries);
  return Object.fromEntries(
    names.map((name) => [name, Object.hasOwn(secrets, name) ? (hasSecrets ? SET : null) : given[name]]),
  );
}

/** The members of a valibot schema that lead to the schemas of its parts. */
type Shape = { entries?: Record<string, Shape>; wrapped?: Shape; item?: Shape };

/** A value as the file writes it: numbers that are durations or sizes with their units, URLs without credentials. */
function write(shape: Shape | undefined, value: unknown): unknown {
  if (shape?.wrapped !== undefined) return write(shape.wrapped, value);
  const unit = shape === undefined ? null : unitOf(shape);
  if (typeof value === "number" && unit !== null)
    return unit === "duration" ? formatDuration(value) : formatSize(value);
  if (typeof value === "string") return /^https?:\/\/[^/]*@/.test(value) ? shownUrl(value) : value;
  if (Array.isArray(value)) return value.map((one) => write(shape?.item, one));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, write(shape?.entries?.[name], member)]),
  );
}
