import { AbortMultipartUploadCommand, ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import { errorLine } from "../../errors.ts";
import type { Clock, Log } from "../../ports.ts";
import type { Connection } from "./connection.ts";
import { nullWhereMissing, S3Error } from "./errors.ts";

/**
 * Tolerance for clocks, in milliseconds: `Date` headers have whole seconds, and the machines of a store have clocks of
 * their own.
 */
const MARGIN = 2_000;

/** A multipart upload that is neither completed nor aborted. */
type Unfinished = { name: string; id: string; begun: number };

export type UnfinishedUploads = ReturnType<typeof createUnfinishedUploads>;

/**
 * Parts of uploads whose process was killed: invisible, and paid for. Nothing is done where the store cannot list them,
 * or does not permit it.
 */
export function createUnfinishedUploads(options: {
  connection: Connection;
  clock: Clock;
  log?: Pick<Log, "info" | "warn"> | undefined;
}) {
  const { connection, clock, log } = options;
  const { bucket, send } = connection;
  const openedAt = clock.elapsed();
  const mine = new Set<string>();
  let cannotList = false;

  async function* list(prefix: string, signal?: AbortSignal): AsyncGenerator<{ page: Unfinished[]; now: number }> {
    let after: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
    for (;;) {
      const command = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, ...after });
      let date = "";
      // The store's clock: the local one may be wrong, and a running upload must not count as an old one.
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args);
          date = (result.response as { headers?: Record<string, string> }).headers?.date ?? "";
          return result;
        },
        { step: "deserialize", name: "readDate" },
      );
      const found = await send("ListMultipartUploads", command, { signal });
      const { Uploads = [], IsTruncated, NextKeyMarker, NextUploadIdMarker } = found;
      const page = Uploads.flatMap(({ Key, UploadId, Initiated }) =>
        Key === undefined || UploadId === undefined
          ? []
          : [{ name: Key, id: UploadId, begun: Initiated?.getTime() ?? Number.POSITIVE_INFINITY }],
      );
      yield { page, now: Date.parse(date) || clock.now() };
      const isSame = NextKeyMarker === after.KeyMarker && NextUploadIdMarker === after.UploadIdMarker;
      if (!IsTruncated || !NextKeyMarker || isSame) return;
      after = { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker };
    }
  }

  /** Aborts an upload; a missing one is fine. Throws S3Error. */
  async function abort(name: string, id: string): Promise<void> {
    const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: name, UploadId: id });
    await send("AbortMultipartUpload", command).catch(nullWhereMissing);
  }

  /** True where another try cannot help. */
  function report(error: unknown): boolean {
    const never = error instanceof S3Error && [403, 405, 501].includes(error.status ?? 0);
    if (never && cannotList) return true;
    cannotList ||= never;
    // A store without this verb needs no warning; a missing permission does.
    if (!(error instanceof S3Error && error.status !== 403 && never)) {
      log?.warn("unfinished uploads not cleared", { error: errorLine(error) });
    }
    return never;
  }

  return {
    /** The uploads that this process runs: they are not left over. */
    mine,
    abort,

    /** Aborts the unfinished uploads of other processes under this name. Never throws: failures are logged. */
    async clearName(name: string, signal?: AbortSignal): Promise<void> {
      if (cannotList) return;
      try {
        for await (const { page } of list(name, signal)) {
          for (const upload of page) {
            signal?.throwIfAborted();
            if (upload.name === name && !mine.has(upload.id)) await abort(name, upload.id);
          }
        }
      } catch (error) {
        if (!signal?.aborted) report(error);
      }
    },

    /** Aborts the uploads under this prefix that began before this process. False: it could not be done now. */
    async clearPrefix(prefix: string, signal: AbortSignal): Promise<boolean> {
      let cleared = 0;
      try {
        for await (const { page, now } of list(`${prefix}/`, signal)) {
          const start = now - (clock.elapsed() - openedAt) - MARGIN;
          for (const { name, id, begun } of page) {
            signal.throwIfAborted();
            if (!name.startsWith(`${prefix}/`) || mine.has(id) || begun >= start) continue;
            await abort(name, id);
            cleared++;
          }
        }
      } catch (error) {
        return signal.aborted || report(error);
      } finally {
        if (cleared > 0) log?.info("unfinished uploads of an earlier run cleared", { count: cleared });
      }
      return true;
    },
  };
}
