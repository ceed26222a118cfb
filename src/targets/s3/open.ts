import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { createTurns } from "../../platform/keyed-mutex.ts";
import { systemClock } from "../../platform/runtime.ts";
import { sleep } from "../../platform/timing.ts";
import type { Clock, Log } from "../../ports.ts";
import type { About, Access, Listed, MirrorTarget, Placed } from "../target.ts";
import { createBufferPool } from "./buffer-pool.ts";
import { connect, PATIENCE, type Patience } from "./connection.ts";
import { hashObject, readObject } from "./download.ts";
import { nullWhereMissing, S3Error } from "./errors.ts";
import { objectHeaders } from "./object-headers.ts";
import type { S3Target } from "./options.ts";
import { PART_SIZE } from "./part-size.ts";
import { objectName } from "./place.ts";
import { openSource } from "./source.ts";
import { createUnfinishedUploads } from "./unfinished-uploads.ts";
import { createUploader } from "./upload.ts";

/** Bytes in memory for all uploads together. */
const MEMORY = 8 * PART_SIZE;

/**
 * Lifetime of a link to the store, in seconds. A browser uses it for later ranges too, so it must outlive the longest
 * viewing of a film. It reveals no more than the relay's own link, which never expires. Temporary credentials that
 * expire earlier end it.
 */
const LINK_LIFE = 6 * 3600;

/** The cache header of a copy where the config sets none: the same as for the relay's own files. */
const CACHE_CONTROL = "private, max-age=3600";

/** Delays before a new object that does not look right is looked up again, in milliseconds. */
const LOOK_AGAIN = [200, 1_000];

/** `sha256`: from the metadata of its upload; null: there are none. */
type Held = { bytes: number; sha256: string | null };

const FORGETS = "this store forgets metadata (x-amz-meta-*): copies are proven by reading them back";

/**
 * Copies in a bucket of any S3-compatible store. Connects at the first use, so that a relay starts while its store is
 * down. Only an `own` target starts at once, in the background, to abort unfinished uploads of earlier runs under its
 * prefix. Keys go below `config.prefix`, which must be this relay's alone. Throws S3Error where the store refuses or
 * does not answer: one line that says what to do.
 */
export async function openS3Target(
  config: S3Target,
  options: { access?: Access; clock?: Clock; log?: Pick<Log, "info" | "warn">; patience?: Patience } = {},
): Promise<MirrorTarget> {
  const { access = "own", clock = systemClock(), log, patience = PATIENCE } = options;
  const connection = connect(config, patience);
  const { client, bucket, send, ask } = connection;
  const unfinished = createUnfinishedUploads({ connection, clock, log });
  const upload = createUploader({ connection, unfinished, pool: createBufferPool(MEMORY, PART_SIZE), clock });
  const inTurn = createTurns();
  const closing = new AbortController();
  const reading = (signal: AbortSignal) => ({ clock, silence: patience.silence, signal });

  /** The store returned a new object without its metadata. */
  let forgets = false;
  function seesForgetting(): void {
    if (!forgets) log?.warn(FORGETS, { bucket });
    forgets = true;
  }

  let sweep: Promise<void> | null = null;
  let swept = access !== "own" || config.prefix === "";
  function sweepOnce(): void {
    if (swept || closing.signal.aborted) return;
    sweep ??= unfinished.clearPrefix(config.prefix, closing.signal).then((done) => {
      swept = done;
      sweep = null;
    });
  }

  async function look(name: string, signal?: AbortSignal): Promise<Held | null> {
    const command = new HeadObjectCommand({ Bucket: bucket, Key: name });
    const found = await send("HeadObject", command, { signal }).catch((error) => {
      // A refused HEAD has no body with the reason; a GET has.
      if (error instanceof S3Error && [301, 400, 403].includes(error.status ?? 0)) return askWhy(name, error, signal);
      return nullWhereMissing(error);
    });
    if (found === null) return null;
    return { bytes: found.ContentLength ?? 0, sha256: found.Metadata?.sha256 ?? null };
  }

  /** Throws the error of a GET of one byte; null where the object is missing and its bucket exists. */
  async function askWhy(name: string, otherwise: S3Error | null, signal?: AbortSignal): Promise<null> {
    const command = new GetObjectCommand({ Bucket: bucket, Key: name, Range: "bytes=0-0" });
    const found = await send("GetObject", command, { signal }).catch(nullWhereMissing);
    (found?.Body as { destroy?(): void } | undefined)?.destroy?.();
    if (otherwise) throw otherwise;
    return null;
  }

  async function compare(name: string, held: Held, about: About, signal: AbortSignal): Promise<Placed> {
    if (held.bytes !== about.bytes) return "exists-different";
    // An object from elsewhere has no metadata of the relay.
    const sha256 = held.sha256 ?? (await hashObject(connection, name, reading(signal)));
    return sha256 === about.sha256 ? "exists-same" : "exists-different";
  }

  /**
   * A HEAD decides, not the answer to the upload: ETags have many meanings, and answers get lost. Without metadata the
   * object's bytes prove it.
   */
  async function confirm(name: string, about: About, signal: AbortSignal): Promise<void> {
    for (const wait of [...LOOK_AGAIN, null]) {
      const held = await look(name, signal);
      let sha256 = held?.sha256 ?? null;
      if (held?.bytes === about.bytes && sha256 === null) {
        seesForgetting();
        sha256 = await hashObject(connection, name, reading(signal));
      }
      if (held?.bytes === about.bytes && sha256 === about.sha256) return;
      if (wait !== null) await sleep(wait, clock);
      else {
        const found = held ? `${held.bytes} bytes, sha256 ${sha256 ?? "unknown"}` : "nothing";
        const line = `s3 bucket ${bucket}: ${name} was uploaded, and the store has ${found} there`;
        throw new S3Error(line, { what: "NotConfirmed", status: 200, passing: false });
      }
    }
  }

  async function put(name: string, file: string, about: About, signal: AbortSignal): Promise<Placed> {
    signal.throwIfAborted();
    const source = await openSource(file, about);
    try {
      sweepOnce();
      if (about.again || about.isShared) await unfinished.clearName(name, signal);
      const held = about.replace ? null : await look(name, signal);
      if (held) return await compare(name, held, about, signal);
      const description = objectHeaders(config, about);
      const isThere = () => confirm(name, about, signal);
      const { pace, isShared: inParts = false } = about;
      await upload({ name, source, description, pace, inParts, confirm: isThere }, signal);
      await isThere();
      return "stored";
    } finally {
      await source.close();
    }
  }

  sweepOnce();
  return {
    async put(key, file, about, signal) {
      const name = objectName(config.prefix, key);
      return inTurn(name, () => put(name, file, about, signal));
    },

    async head(key) {
      const name = objectName(config.prefix, key);
      const held = await look(name);
      return held ? { bytes: held.bytes } : askWhy(name, null);
    },

    async delete(key, signal) {
      const name = objectName(config.prefix, key);
      await inTurn(name, async () => {
        signal?.throwIfAborted();
        // First: another relay's, which hangs, could end and bring the object back.
        await unfinished.clearName(name, signal);
        signal?.throwIfAborted();
        const command = new DeleteObjectCommand({ Bucket: bucket, Key: name });
        await send("DeleteObject", command, { signal }).catch(nullWhereMissing);
      });
    },

    async open(key, method) {
      const at = { Bucket: bucket, Key: objectName(config.prefix, key) };
      const shown = config.cacheControl === null ? { ResponseCacheControl: CACHE_CONTROL } : {};
      const command = method === "HEAD" ? new HeadObjectCommand(at) : new GetObjectCommand({ ...at, ...shown });
      const url = await ask("GetObject", getSignedUrl(client, command as GetObjectCommand, { expiresIn: LINK_LIFE }));
      return { is: "elsewhere", url, lasts: LINK_LIFE * 1_000 };
    },

    async read(key, signal) {
      return readObject(connection, objectName(config.prefix, key), reading(signal));
    },

    file: async () => null,

    async list(folder, signal) {
      const prefix = `${objectName(config.prefix, folder)}/`;
      const found: Listed[] = [];
      for (let from: string | undefined; ; ) {
        const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: from });
        const page = await send("ListObjectsV2", command, { signal });
        for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
          const name = Key.slice(prefix.length);
          if (!Key.startsWith(prefix) || name === "" || name.includes("/")) continue;
          found.push({ key: `${folder}/${name}`, bytes: Size, modifiedAt: LastModified?.getTime() ?? 0 });
        }
        from = page.NextContinuationToken;
        if (!page.IsTruncated || from === undefined) return found;
      }
    },

    oddities: async () => (forgets ? [FORGETS] : []),

    async close() {
      closing.abort(new Error("the target is being closed"));
      await sweep;
      connection.close();
    },
  };
}
