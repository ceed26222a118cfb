import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { SMTPServer } from "smtp-server";
import { pemFiles } from "./tls-server.ts";

export const USER = "relay@example.com";
export const PASSWORD = "hush hush/%";

/** A mail as it came in: its envelope, its headers in lower case, and its text. */
export type ReceivedMail = {
  from: string;
  to: string[];
  user: string | null;
  isSecure: boolean;
  headers: Record<string, string>;
  text: string;
};

export type MailServer = {
  port: number;
  mails: ReceivedMail[];
  /** Why what comes from now on is refused, with the server's code; null: it is taken. */
  refuse(why: string | null): void;
  /** Answers a mail from now on only when this is so; null: at once. */
  answerAfter(ready: Promise<void> | null): void;
  close(): Promise<void>;
};

/**
 * A server that takes mail on a free port of 127.0.0.1. `tls`: from the first byte, after STARTTLS, or never; `login`: it asks for
 * USER and PASSWORD. Its certificate is for localhost.
 */
export async function openMailServer(
  t: Pick<TestContext, "after">,
  { tls = "none", login = false }: { tls?: "implicit" | "offered" | "none"; login?: boolean } = {},
): Promise<MailServer> {
  const { cert, key } = pemFiles("good");
  const mails: ReceivedMail[] = [];
  let refusal: string | null = null;
  let answering: Promise<void> | null = null;
  const server = new SMTPServer({
    ...{ cert: readFileSync(cert), key: readFileSync(key), logger: false, closeTimeout: 100 },
    secure: tls === "implicit",
    authOptional: !login,
    // A login in the clear, as some servers of a machine's own take it.
    allowInsecureAuth: true,
    disabledCommands: [...(tls === "none" ? ["STARTTLS"] : []), ...(login ? [] : ["AUTH"])],
    onAuth({ username, password }, _, done) {
      if (username === USER && password === PASSWORD) return done(null, { user: username });
      done(new Error(`Invalid login of ${username} with ${password}`));
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        if (refusal !== null) return done(Object.assign(new Error(refusal), { responseCode: 451 }));
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          user: typeof session.user === "string" ? session.user : null,
          isSecure: session.secure,
          ...read(Buffer.concat(chunks).toString()),
        });
        if (answering === null) done(null);
        else void answering.then(() => done(null));
      });
    },
  });
  server.on("error", () => {});
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  t.after(close);
  const listener = server.listen(0, "127.0.0.1");
  await new Promise((resolve) => listener.once("listening", resolve));
  return {
    port: (listener.address() as AddressInfo).port,
    mails,
    refuse(why) {
      refusal = why;
    },
    answerAfter(ready) {
      answering = ready;
    },
    close,
  };
}

/** Header lines unfolded, and the text without its transfer encoding. */
function read(raw: string): Pick<ReceivedMail, "headers" | "text"> {
  const [head = "", ...rest] = raw.split("\r\n\r\n");
  const lines = head.replace(/\r\n[ \t]+/g, " ").split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.split(":")[0]!.toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const body = rest.join("\r\n\r\n");
  const text =
    headers["content-transfer-encoding"] === "quoted-printable"
      ? Buffer.from(
          body
            .replace(/=\r\n/g, "")
            .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
          "latin1",
        ).toString()
      : headers["content-transfer-encoding"] === "base64"
        ? Buffer.from(body, "base64").toString()
        : body;
  return { headers, text };
}
