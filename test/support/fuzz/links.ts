import type { Random } from "../../../src/ports.ts";
import { pick } from "../../../src/simulator/events.ts";

/** Hosts behind which there is this machine, and nothing else: all that a fuzzed link may name. No name is ever looked up elsewhere. */
const LOOPBACK =
  /^(?:localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[::1?\]|\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]|\[::ffff:0:0\])$/;

/** Ways to write a link to this machine; behind `port` a trap waits that must never be called. */
function trapLinks(port: number): string[] {
  const hosts = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.000.000.001",
    "127.255.255.254",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54", // fullwidth
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "%31%32%37.0.0.1",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "user@127.0.0.1",
    "user:secret@127.0.0.1",
    "example.com@127.0.0.1",
    "example.com:80@[::1]",
  ];
  return hosts.flatMap((host) => [
    `http://${host}:${port}/video.mp4`,
    `https://${host}:${port}/video.mp4?X-Amz-Signature=0`,
  ]);
}

/** Links that are none, or that nobody should follow. */
function oddLinks(port: number): string[] {
  return [
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "javascript:alert(1)",
    "data:video/mp4;base64,AAAAIGZ0eXA=",
    `ftp://127.0.0.1:${port}/video.mp4`,
    `gopher://127.0.0.1:${port}/_GET`,
    `ws://127.0.0.1:${port}/`,
    `blob:http://127.0.0.1:${port}/a`,
    `//127.0.0.1:${port}/video.mp4`,
    `/\\127.0.0.1:${port}/`,
    `http:\\\\127.0.0.1:${port}\\video.mp4`,
    `http:/127.0.0.1:${port}/`,
    `http:127.0.0.1:${port}`,
    ` http://127.0.0.1:${port}/ `,
    `\nhttp://127.0.0.1:${port}/`,
    `ht\ttp://127.0.0.1:${port}/`,
    `HTTP://127.0.0.1:${port}/VIDEO.MP4`,
    `http://127.0.0.1:${port}/a b\r\nHost: evil`,
    `http://127.0.0.1:${port}/%0d%0aHost:%20evil`,
    `http://127.0.0.1:${port}/#?#?`,
    `http://127.0.0.1:${port}/?${"X-Amz-Signature=a&".repeat(500)}`,
    `http://127.0.0.1:${port}/?Expires=${"9".repeat(400)}&Signature=x&AWSAccessKeyId=y`,
    `http://127.0.0.1:${port}/?X-Amz-Date=99999999T999999Z&X-Amz-Expires=999999999`,
    `http://127.0.0.1:${port}/?X-Amz-Date=00000101T000000Z&X-Amz-Expires=0`,
    `http://127.0.0.1:${port}/?Key-Pair-Id=a&Signature=b&Policy=${Buffer.from('{"Statement":[{}]}').toString("base64")}`,
    `http://127.0.0.1:${port}/?sv=1&sig=1&se=%ZZ`,
    `http://127.0.0.1:${port}/${"a".repeat(60_000)}`,
    `http://127.0.0.1:${port}/\ud800`,
    `http://127.0.0.1:${port}/é/%e9/%/%zz`,
    "http://127.0.0.1:0/",
    "http://127.0.0.1:65536/",
    "http://127.0.0.1:-1/",
    "http://127.0.0.1:port/",
    "http://",
    "http:",
    "http://[",
    "http://[::1",
    "http://[::1%25lo]/",
    "http://256.256.256.256/",
    "http://a b/",
    "http://\u0000/",
    "https:///",
    "https://?",
    "https://#",
    "about:blank",
    "..",
    "💥",
    "{videoUrl}",
    "null",
  ];
}

export function hostileLink(random: Random, port: number): string {
  return random.float() < 0.5 ? pick(random, trapLinks(port)) : pick(random, oddLinks(port));
}

/** Whether following these links could lead to this machine only. Chance can turn 127.0.0.1 into anybody's address. */
export function staysHere(body: Uint8Array): boolean {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(body).toString());
  } catch {
    return true; // whatever it is, nobody reads a link from it
  }
  if (typeof json !== "object" || json === null) return true;
  const { videoUrl, thumbnailUrl } = json as Record<string, unknown>;
  return [videoUrl, thumbnailUrl].every((link) => {
    if (typeof link !== "string" || !URL.canParse(link)) return true;
    const { protocol, hostname } = new URL(link);
    return (protocol !== "http:" && protocol !== "https:") || LOOPBACK.test(hostname);
  });
}
