import { openS3Target } from "../../../src/targets/s3/open.ts";
import { testMirrorTarget } from "../../contracts/mirror-target.ts";
import { noS3, shareS3Server } from "../../support/s3-server.ts";

const s3 = shareS3Server();

testMirrorTarget("s3", async () => openS3Target(await (await s3()).makeTarget({ prefix: "relay/one" })), noS3);
