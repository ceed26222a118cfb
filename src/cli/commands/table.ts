import type { CommandTable } from "../command.ts";

/** A command is a file in this folder and a line here; the strings are literal so that a bundler can follow them. */
export const commands: CommandTable = {
  serve: () => import("./serve.ts"),
  reload: () => import("./reload.ts"),
  check: () => import("./check.ts"),
  doctor: () => import("./doctor.ts"),
  demo: () => import("./demo.ts"),
  simulate: () => import("./simulate.ts"),
  backup: () => import("./backup.ts"),
  restore: () => import("./restore.ts"),
  prune: () => import("./prune.ts"),
  status: () => import("./status.ts"),
  events: () => import("./events.ts"),
  deliveries: () => import("./deliveries.ts"),
  endpoints: () => import("./endpoints.ts"),
  videos: () => import("./videos.ts"),
  contexts: () => import("./contexts.ts"),
  media: () => import("./media.ts"),
  tasks: () => import("./tasks.ts"),
  audit: () => import("./audit.ts"),
  quarantine: () => import("./quarantine.ts"),
  secret: () => import("./secret.ts"),
  "verify-signature": () => import("./verify-signature.ts"),
  schema: () => import("./schema.ts"),
  completion: () => import("./completion.ts"),
  openapi: () => import("./openapi.ts"),
};
