import { RelayError } from "../../../errors.ts";
import type { Backups } from "../../backups.ts";

const refuse = async (): Promise<never> => {
  throw new RelayError(
    "unsupported",
    "the store is on PostgreSQL (store.url): back it up with pg_dump or pg_basebackup, or by what who runs it for you offers",
  );
};

/** There are no backups of the relay's own: the database is copied by other means. */
export const noBackups: Backups = {
  begin: refuse,
  note: refuse,
  noteFailed: refuse,
  forget: refuse,
  end: async () => {},
  begun: async () => [],
  list: async () => [],
  last: async () => null,
  failed: async () => null,
};
