import { after } from "node:test";
import { openS3Target } from "../../../src/targets/s3/open.ts";
import { testMirrorTarget } from "../../contracts/mirror-target.ts";
import { noS3, type S3Server, startS3Server } from "../../support/s3-server.ts";

let server: Promise<S3Server> | undefined;
after(async () => (await server)?.stop());

testMirrorTarget(
  "s3",
  async () => {
    server ??= startS3Server(null);
    return openS3Target(await (await server).makeTarget({ prefix: "relay/one" }));
  },
  noS3,
);
