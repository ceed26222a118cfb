import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from "node:tls";
import { pemFiles } from "../tls-server.ts";

const FOLDER = join(import.meta.dirname, "../../fixtures/tls");

/** A certificate for localhost and its key: where they are, and what is in the files. */
export type Certificate = { files: { cert: string; key: string }; cert: string; key: string; fingerprint: string };

/** Certificates that are renewed in turn, in the same files; and one that is named by files of its own. */
export type Certificates = { renewed: [Certificate, Certificate]; other: Certificate };

export function readCertificates(): Certificates {
  const inFolder = (name: string) => ({ cert: join(FOLDER, `${name}cert.pem`), key: join(FOLDER, `${name}key.pem`) });
  return { renewed: [read(inFolder("")), read(inFolder("renewed-"))], other: read(pemFiles("good")) };
}

function read(files: Certificate["files"]): Certificate {
  const [cert, key] = [readFileSync(files.cert, "utf8"), readFileSync(files.key, "utf8")];
  return { files, cert, key, fingerprint: new X509Certificate(cert).fingerprint256 };
}

/** From now on this process's own requests trust them. Those that are no authority are not issued by themselves. */
export function trust({ renewed, other }: Certificates, authority: string): void {
  const added = [...renewed, other].map(({ cert }) => cert);
  setDefaultCACertificates([...getCACertificates("default"), ...added, readFileSync(authority, "utf8")]);
}

/** Posts on a connection of its own; says what was answered, and which certificate was shown. Rejects when it is cut. */
export function postAnew(
  { port, path }: { port: number; path: string },
  body: Uint8Array,
): Promise<{ status: number; text: string; fingerprint: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method: "POST",
        headers: { "content-type": "application/json", "content-length": body.length },
        agent: false,
        timeout: 20_000,
        servername: "localhost",
        // Whichever it is: that is what is asked.
        rejectUnauthorized: false,
      },
      (response) => {
        const { raw } = (response.socket as TLSSocket).getPeerCertificate();
        const fingerprint = new X509Certificate(raw).fingerprint256;
        response.toArray().then((chunks) => {
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString(), fingerprint });
        }, reject);
      },
    );
    asked.on("timeout", () => asked.destroy(new Error("not answered in time")));
    asked.on("error", reject).end(body);
  });
}
