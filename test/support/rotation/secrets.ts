import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} from "node:crypto";
import { Webhook } from "standardwebhooks";
import type { SecretInput } from "../../../src/option-values.ts";

/** The two secrets of a rotation, and the four steps of the relay: which of them sign, the first first. */
export type Name = "A" | "B";
export const STEPS = [["A"], ["A", "B"], ["B", "A"], ["B"]] as const satisfies Name[][];

/** Where a relay reads the secrets of an endpoint: in the config, from files that it names, from credentials. */
export type Place = "inline" | "file" | "credential";

/** A secret, what a consumer thinks of a message, and the signature that the message should have. */
export type Secret = {
  text: string;
  /** Throws where the message is not signed with it. */
  verify(body: Buffer, headers: Record<string, string>): void;
  sign(id: string, timestamp: string, body: Buffer): string;
};

/** A secret for HMAC, verified by the library of the specification. */
export function newHmacSecret(): Secret {
  const key = randomBytes(32);
  const text = `whsec_${key.toString("base64")}`;
  const library = new Webhook(text);
  return {
    text,
    verify: (body, headers) => void library.verify(body, headers),
    sign: (id, timestamp, body) =>
      `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64")}`,
  };
}

/** A secret for ed25519, verified by its public key. */
export function newEd25519Secret(): Secret {
  const { privateKey } = generateKeyPairSync("ed25519");
  const pkcs8 = privateKey.export({ format: "der", type: "pkcs8" });
  const own = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(own);
  const content = (id: string, timestamp: string, body: Buffer) =>
    Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  return {
    text: `whsk_${pkcs8.subarray(-32).toString("base64")}`,
    verify(body, headers) {
      const signed = content(headers["webhook-id"]!, headers["webhook-timestamp"]!, body);
      const isGood = headers["webhook-signature"]!.split(" ").some(
        (one) => one.startsWith("v1a,") && verify(null, signed, publicKey, Buffer.from(one.slice(4), "base64")),
      );
      if (!isGood) throw new Error("no signature of ed25519 is right");
    },
    sign: (id, timestamp, body) => `v1a,${sign(null, content(id, timestamp, body), own).toString("base64")}`,
  };
}

/** Of a step: what `secret` of the endpoint is in the config, and the files that it refers to, by their names. */
export function secretsOf(place: Place, id: string, step: number, secrets: Record<Name, Secret>) {
  const signing = STEPS[step]!.map((name) => secrets[name].text);
  if (place === "inline") return { secret: signing as SecretInput[], files: {} };
  // The config stays as it is, and the files change: where one secret signs, both of them hold it.
  const [first, second] = [`${id}-first`, `${id}-second`];
  const files = { [first]: signing[0]!, [second]: signing.at(-1)! };
  const secret: SecretInput[] = [first, second].map((name) =>
    place === "file" ? { file: name } : { credential: name },
  );
  return { secret, files };
}

/** The step at which a message was signed; -1: none. */
export function stepOf(
  { place, secrets }: { place: Place; secrets: Record<Name, Secret> },
  message: { id: string; timestamp: string; body: Buffer; signature: string },
): number {
  const { id, timestamp, body, signature } = message;
  const by = { A: secrets.A.sign(id, timestamp, body), B: secrets.B.sign(id, timestamp, body) };
  return STEPS.findIndex((names) => {
    const signatures = names.map((name) => by[name]);
    if (place !== "inline" && signatures.length === 1) signatures.push(signatures[0]!);
    return signature === signatures.join(" ");
  });
}
