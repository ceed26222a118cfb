import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { S3Target } from "../../config/schema.ts";
import { createTurns } from "../../platform/keyed-mutex.ts";
import { systemClock } from "../../platform/runtime.ts";
import { sleep } from "../../platform/timing.ts";
import type { Clock, Log } from "../../ports.ts";
import type { About } from "../place.ts";
import type { Access, Listed, MirrorTarget, Placed } from "../target.ts";
import { connect, PATIENCE, type Patience } from "./connection.ts";
import { describe } from "./describe.ts";
import { hashObject, isMissing, readObject } from "./download.ts";
import { createLeftovers } from "./leftovers.ts";
import { objectName } from "./names.ts";
import { createPool } from "./pool.ts";
import { openSource } from "./source.ts";
import { S3Trouble } from "./trouble.ts";
import { createUploads, PART_SIZE } from "./upload.ts";

/** Bytes of files in memory, all uploads together. */
const MEMORY = 8 * PART_SIZE;

/**
 * Seconds for which a link straight to the store is good. A browser goes on using it for later ranges, so it must outlive the
 * longest sitting with a film; it gives away no more than the relay's own link, which never ends. Temporary credentials that
 * end earlier take it along.
 */
const LINK_LIFE = 6 * 3600;

/** What browsers and proxies are told of a copy of which the config says nothing: as the relay does of its own files. */
const CACHE_CONTROL = "private, max-age=3600";

/** Milliseconds before an object that was just put, and is not as it should be, is looked at again. */
const LOOK_AGAIN = [200, 1_000];

/** `sha256`: of the metadata that it was put with; null: there are none. */
type Held = { bytes: number; sha256: string | null; etag: string | null };

const FORGETS = "this store forgets metadata (x-amz-meta-*): copies are proven by their ETag, or by reading them back";

/**
 * Copies in a bucket of any S3-compatible store. It connects to nothing before it is asked to, so that a store that is down
 * keeps nobody from starting; only where it is the relay's `own`, what earlier runs left unfinished under its prefix is
 * cleared in the background. Keys go below `config.prefix`, which must be this relay's alone.
 * What the store refuses, or does not answer, throws S3Trouble: one line that says what to do.
 */
export async function openS3Target(
  config: S3Target,
  options: { access?: Access; clock?: Clock; log?: Pick<Log, "info" | "warn">; patience?: Patience } = {},
): Promise<MirrorTarget> {
  const { access = "own", clock = systemClock(), log, patience = PATIENCE } = options;
  const connection = connect(config, patience);
  const { client, bucket, ask, timeout } = connection;
  const leftovers = createLeftovers({ connection, clock, log });
  const send = createUploads({ connection, leftovers, pool: createPool(MEMORY, PART_SIZE), clock });
  const inTurn = createTurns();
  const closing = new AbortController();
  const reading = (signal: AbortSignal) => ({ clock, silence: patience.silence, signal });

  /** An object that was just put came back without its metadata. */
  let forgets = false;
  function seesForgetting(): void {
    if (!forgets) log?.warn(FORGETS, { bucket });
    forgets = true;
  }

  let sweep: Promise<void> | null = null;
  let swept = access !== "own" || config.prefix === "";
  function sweepOnce(): void {
    if (swept || closing.signal.aborted) return;
    sweep ??= leftovers.clearPrefix(config.prefix, closing.signal).then((done) => {
      swept = done;
      sweep = null;
    });
  }

  /** Bounds a request in time, and by the signal, where there is one. */
  const within = (signal?: AbortSignal) => ({ ...timeout(), ...(signal && { abortSignal: signal }) });

  async function look(name: string, signal?: AbortSignal): Promise<Held | null> {
    const answer = client.send(new HeadObjectCommand({ Bucket: bucket, Key: name }), within(signal));
    const found = await ask("HeadObject", answer, signal).catch((error) => {
      if (error instanceof S3Trouble && isMissing(error)) return null;
      // A refused HEAD has no body that would say why; a GET has.
      if (error instanceof S3Trouble && [301, 400, 403].includes(error.status ?? 0)) return askWhy(name, error, signal);
      throw error;
    });
    if (found === null) return null;
    const { ContentLength: bytes = 0, Metadata, ETag } = found;
    return { bytes, sha256: Metadata?.sha256 ?? null, etag: ETag?.replaceAll('"', "").toLowerCase() ?? null };
  }

  /** Throws what a GET of one byte is told; null where the object is missing and its bucket is there. */
  async function askWhy(name: string, otherwise: S3Trouble | null, signal?: AbortSignal): Promise<null> {
    const command = new GetObjectCommand({ Bucket: bucket, Key: name, Range: "bytes=0-0" });
    const { Body } = await ask("GetObject", client.send(command, within(signal)), signal).catch((error) => {
      if (error instanceof S3Trouble && isMissing(error)) return { Body: undefined };
      throw error;
    });
    (Body as { destroy?(): void } | undefined)?.destroy?.();
    if (otherwise) throw otherwise;
    return null;
  }

  async function compare(name: string, held: Held, about: About, signal: AbortSignal): Promise<Placed> {
    if (held.bytes !== about.bytes) return "exists-different";
    // Somebody else may have put it there, without our metadata.
    const sha256 = held.sha256 ?? (await hashObject(connection, name, reading(signal)));
    return sha256 === about.sha256 ? "exists-same" : "exists-different";
  }

  /**
   * What a HEAD says decides, not what the upload was answered: ETags mean many things, and answers get lost. Where it brings
   * no metadata, the ETag that the object should have proves it (`tag`), or else its bytes.
   */
  async function confirm(name: string, about: About, tag: string | null, signal: AbortSignal): Promise<void> {
    for (const wait of [...LOOK_AGAIN, null]) {
      const held = await look(name, signal);
      let sha256 = held?.sha256 ?? null;
      if (held?.bytes === about.bytes && sha256 === null) {
        seesForgetting();
        const isSame = tag !== null && held.etag === tag;
        sha256 = isSame ? about.sha256 : await hashObject(connection, name, reading(signal));
      }
      if (held?.bytes === about.bytes && sha256 === about.sha256) return;
      if (wait !== null) await sleep(wait, clock);
      else {
        const found = held ? `${held.bytes} bytes, sha256 ${sha256 ?? "unknown"}` : "nothing";
        const line = `s3 bucket ${bucket}: ${name} was uploaded, and the store has ${found} there`;
        throw new S3Trouble(line, { what: "NotConfirmed", status: 200, passing: false });
      }
    }
  }

  async function put(name: string, file: string, about: About, signal: AbortSignal): Promise<Placed> {
    signal.throwIfAborted();
    const source = await openSource(file, about);
    try {
      sweepOnce();
      if (about.again) await leftovers.clearName(name, signal);
      const held = about.replace ? null : await look(name, signal);
      if (held) return await compare(name, held, about, signal);
      const isThere = () =>
        confirm(name, about, null, signal).then(
          () => true,
          () => false,
        );
      const description = describe(config, about);
      const tag = await send({ name, source, description, isThere, wantsTag: forgets }, signal);
      await confirm(name, about, tag, signal);
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
        const command = new DeleteObjectCommand({ Bucket: bucket, Key: name });
        const answer = client.send(command, within(signal));
        await ask("DeleteObject", answer, signal).catch((error) => {
          if (!(error instanceof S3Trouble && isMissing(error))) throw error;
        });
        await leftovers.clearName(name, signal);
      });
    },

    async open(key, method) {
      const at = { Bucket: bucket, Key: objectName(config.prefix, key) };
      const shown = config.cacheControl === null ? { ResponseCacheControl: CACHE_CONTROL } : {};
      const command = method === "HEAD" ? new HeadObjectCommand(at) : new GetObjectCommand({ ...at, ...shown });
      const url = await ask("GetObject", getSignedUrl(client, command as GetObjectCommand, { expiresIn: LINK_LIFE }));
      return { is: "elsewhere", url };
    },

    async read(key, signal) {
      return readObject(connection, objectName(config.prefix, key), reading(signal));
    },

    async list(folder, signal) {
      const prefix = `${objectName(config.prefix, folder)}/`;
      const found: Listed[] = [];
      for (let from: string | undefined; ; ) {
        const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: from });
        const page = await ask("ListObjectsV2", client.send(command, within(signal)), signal);
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
