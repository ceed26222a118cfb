import type { Lease } from "../../jobs/worker.ts";
import type { DownloadJob, DownloadOutcome } from "../../model/job.ts";
import { makeFolder } from "../../platform/files/file-system.ts";
import { asLocalFailure, LocalFailure, PermanentFailure } from "../errors.ts";
import { startChecksum } from "../spool/checksum.ts";
import type { DiskBudget, Reservation } from "../spool/disk-budget.ts";
import { linkHash } from "../spool/resume-state.ts";
import { spoolPaths } from "../spool/spool.ts";
import { judgeFailure } from "./failure.ts";
import type { LocalFailures } from "./local-failures.ts";
import { findStart, openPartialFile, type PartialFile } from "./partial-file.ts";
import { keepRemainder } from "./remainder.ts";
import { createTransfer, type TransferParts } from "./transfer.ts";

/** What all attempts share. */
export type Downloading = Pick<
  TransferParts,
  "config" | "outbound" | "ports" | "limits" | "inProgress" | "heldCopy"
> & {
  spoolDir: string;
  diskBudget: DiskBudget;
  failures: Pick<LocalFailures, "add">;
};

type Fetched = Extract<DownloadOutcome, { is: "spooled" | "unchanged" }>;

/** Fetches the file of a job into the spool; a failure becomes the outcome that it means. Null: the lease has ended. */
export async function attemptDownload(
  shared: Downloading,
  job: DownloadJob,
  lease: Pick<Lease, "signal" | "yieldSlot">,
): Promise<DownloadOutcome | null> {
  const { ports, spoolDir, diskBudget, failures } = shared;
  const { clock } = ports;
  const paths = spoolPaths(spoolDir, job.mediumId);
  const stopping = new AbortController();
  const stop = (reason: Error) => stopping.abort(reason);
  const signal = AbortSignal.any([lease.signal, stopping.signal]);
  let requestedAt: number | null = null;
  let hasProgressed = false;

  /**
   * Fetches the file, validates it, and makes it durable under its final name; resumes from what an earlier attempt left. A
   * complete video is not requested again; a complete picture is, because it may have changed, and the old one is kept in
   * case the link gives nothing. After a throw the spool holds what the next attempt resumes from, and nothing else of this
   * medium.
   */
  async function fetchIntoSpool(): Promise<Fetched> {
    await asLocalFailure("spool", () => makeFolder(spoolDir));
    const start = await asLocalFailure("spool", () => findStart(paths, job.kind, linkHash(job.url), signal));
    if (start.file !== null) return { is: "spooled", file: start.file };

    let reservation: Reservation | null = null;
    let part: PartialFile | null = null;
    const checksum = startChecksum(paths.part, signal);
    try {
      const left = start.total === null ? start.atLeast || null : start.total - start.synced;
      reservation = await diskBudget.reserve({ left, stop });
      const opened = await asLocalFailure("spool", () => openPartialFile(paths, job.kind, start));
      part = opened;
      const onRequest = () => {
        requestedAt = clock.now();
      };
      const { yieldSlot } = lease;
      const own = { job, paths, stop, signal, yieldSlot, onRequest, part, checksum, reservation };
      const transfer = createTransfer({ ...shared, ...own });
      const received = await transfer.receive();
      if (received.is === "unchanged") return received;
      shared.inProgress.note(job, null);
      const file = await transfer.validate(received.isFramed);
      await asLocalFailure("spool", () => opened.finish(file));
      return { is: "spooled", file };
    } catch (error) {
      // What undici throws for an abort says nothing; the reason does.
      const cause = signal.aborted ? signal.reason : error;
      if (part !== null) {
        const isLow = cause instanceof LocalFailure && (await isDiskLow(diskBudget));
        await part.leave(cause, isLow).catch(() => {}); // The next attempt meets and reports the spool's failure.
        hasProgressed = part.hasProgressed;
      }
      throw cause;
    } finally {
      checksum.drop();
      await part?.close().catch(() => {});
      reservation?.release();
    }
  }

  const outcomeOf = (error: unknown) =>
    judgeFailure(error, { job, now: clock.now(), requestedAt, hasProgressed, failures });
  try {
    return await fetchIntoSpool();
  } catch (error) {
    if (lease.signal.aborted) return null;
    const outcome = outcomeOf(error);
    if (outcome.is === "retry" || error instanceof PermanentFailure) return outcome;
    // No better file will come: the best of the earlier attempts is kept.
    return keepRemainder({ ...shared, job, signal: lease.signal }).then(
      (file) => (file === null ? outcome : { is: "spooled", file }),
      (trouble) => (lease.signal.aborted ? null : outcomeOf(trouble)),
    );
  }
}

const isDiskLow = (diskBudget: DiskBudget) =>
  diskBudget.check().then(
    () => false,
    () => true,
  );
