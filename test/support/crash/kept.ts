import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { type S3Server, startS3Server } from "../s3-server.ts";

/** Where a crash test keeps its copies, and how it looks at them without the relay. */
export type Kept = {
  target: NonNullable<NonNullable<ConfigInput["mirror"]>["target"]>;
  /** Every key there is. */
  keys(): Promise<string[]>;
  read(key: string): Promise<Buffer>;
  /** What is half there, though nobody sees it, and what of others' is missing. */
  leftovers(): Promise<string[]>;
  /** Whether a copy is half there just now: a good moment for a kill. */
  isHalfDone(): Promise<boolean>;
  close(): void;
};

export function keptInFolder(dir: string): Kept {
  return {
    target: { type: "local", dir },
    keys: async () => listFiles(dir),
    read: async (key) => readFileSync(join(dir, key)),
    leftovers: async () => [],
    isHalfDone: async () => false,
    close() {},
  };
}

const PREFIX = "kept";
const OTHERS = "others/film.mp4";

/** A bucket of a real S3 server, with an unfinished upload of somebody else in it. */
export async function keptInBucket(): Promise<Kept> {
  const server = await startS3Server(null);
  try {
    const { bucket, endpoint, credentials } = await server.makeTarget();
    const { accessKeyId, secretAccessKey } = credentials!;
    await beginUpload(server, bucket);
    return {
      target: {
        type: "s3",
        bucket,
        endpoint: endpoint!,
        prefix: PREFIX,
        pathStyle: true,
        accessKeyId,
        secretAccessKey,
      },
      keys: async () => (await listObjects(server, bucket)).map((name) => name.slice(PREFIX.length + 1)),
      async read(key) {
        const { Body } = await server.client.send(new GetObjectCommand({ Bucket: bucket, Key: `${PREFIX}/${key}` }));
        return Buffer.from(await Body!.transformToByteArray());
      },
      async isHalfDone() {
        return (await listUploads(server, bucket)).some((name) => name !== OTHERS);
      },
      async leftovers() {
        const names = await listUploads(server, bucket);
        const ours = names.filter((name) => name !== OTHERS).map((name) => `an unfinished upload of ${name} is left`);
        return names.includes(OTHERS) ? ours : [...ours, "the unfinished upload of somebody else is gone"];
      },
      close: () => server.stop(),
    };
  } catch (error) {
    server.stop();
    throw error;
  }
}

async function beginUpload({ client }: S3Server, Bucket: string): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: OTHERS }));
  const Body = Buffer.alloc(5 * 2 ** 20, "somebody else's");
  await client.send(new UploadPartCommand({ Bucket, Key: OTHERS, UploadId, PartNumber: 1, Body }));
}

async function listUploads({ client }: S3Server, Bucket: string): Promise<string[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
  return Uploads.map(({ Key }) => Key ?? "");
}

async function listObjects({ client }: S3Server, Bucket: string): Promise<string[]> {
  const names: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await client.send(new ListObjectsV2Command({ Bucket, ContinuationToken: after }));
    names.push(...(page.Contents ?? []).map(({ Key }) => Key!));
    after = page.NextContinuationToken;
    if (after === undefined) return names;
  }
}

/** Every file below a folder, by its path from there. */
export function listFiles(dir: string): string[] {
  return (readdirSync(dir, { recursive: true }) as string[])
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => !lstatSync(join(dir, name)).isDirectory());
}
