import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Clock } from "../../ports.ts";
import { within } from "../timing.ts";
import { connectTo } from "./connect.ts";
import type { Resolve } from "./outbound.ts";
import { explainTrust, trustSystemStore } from "./trust.ts";

/**
 * A server that takes mail. `tls`: from the first byte; by STARTTLS, without which nothing is sent; by STARTTLS where it is offered;
 * never. `user` "": there is no login.
 */
export type SmtpServer = {
  host: string;
  port: number;
  tls: "implicit" | "required" | "offered" | "none";
  user: string;
  password: string;
};

/** `id`: its Message-ID, without brackets; `at`: milliseconds since 1970. */
export type Mail = { from: string; to: string; subject: string; text: string; id: string; at: number };

/** `timeout`: for all of it, in milliseconds; `resolve`, for tests: answers instead of the system's resolver. */
export type SmtpLimits = { clock: Clock; timeout: number; signal?: AbortSignal; resolve?: Resolve };

/** For the connection, and for the greeting, in milliseconds. */
const GREETING = 30_000;

/** Bytes of one reply of the server. */
const REPLY = 65_536;

/** Hands a mail to the server. Rejects where it was not taken, with an error that does not hold the password. */
export async function sendMail(server: SmtpServer, mail: Mail, limits: SmtpLimits): Promise<void> {
  const { from, to, subject, text, id, at } = mail;
  await withServer(server, limits, (transport) =>
    transport.sendMail({
      from: { name: "wochit-relay", address: from },
      ...{ to, subject, text, messageId: `<${id}>`, date: new Date(at), xMailer: false },
      // RFC 3834: no out-of-office reply.
      headers: { "auto-submitted": "auto-generated" },
    }),
  );
}

/** Connects and logs in as for a mail, and sends none. Rejects as `sendMail` does. */
export async function greetServer(server: SmtpServer, limits: SmtpLimits): Promise<void> {
  await withServer(server, limits, (transport) => transport.verify());
}

type Transport = { sendMail(mail: object): Promise<unknown>; verify(): Promise<unknown> };

async function withServer<T>(
  server: SmtpServer,
  { clock, timeout, signal, resolve }: SmtpLimits,
  work: (transport: Transport) => Promise<T>,
): Promise<T> {
  const { host, port, tls, user, password } = server;
  trustSystemStore();
  // It is large, and is loaded with the first mail.
  const { createTransport } = await import("nodemailer");
  const run = async (signal: AbortSignal) => {
    let socket: Socket | null = null;
    const transport = createTransport({
      ...{ host, port, secure: tls === "implicit", requireTLS: tls === "required", ignoreTLS: tls === "none" },
      ...(user !== "" && { auth: { user, pass: password } }),
      ...{ connectionTimeout: GREETING, greetingTimeout: GREETING, socketTimeout: timeout },
      ...{ maxResponseSize: REPLY, disableFileAccess: true, disableUrlAccess: true },
      getSocket(_, done) {
        within(GREETING, clock, (limit) => connectTo(server, limit, resolve), { signal }).then((connection) => {
          socket = connection;
          done(null, { connection });
        }, done);
      },
    });
    try {
      return await work(transport);
    } finally {
      (socket as Socket | null)?.destroy();
    }
  };
  return within(timeout, clock, run, signal === undefined ? {} : { signal }).catch((error) => {
    throw withoutPassword(explainTrust(withSystemCode(error)), server);
  });
}

/** nodemailer puts its own code over that of the system or of TLS. */
function withSystemCode(error: unknown): unknown {
  const { originalCode } = error as { originalCode?: string };
  return originalCode === undefined ? error : Object.assign(error as Error, { code: originalCode });
}

/** A server may repeat what it was sent. */
function withoutPassword(error: unknown, { user, password }: SmtpServer): unknown {
  if (!(error instanceof Error) || password.length < 2) return error;
  const encode = (text: string) => Buffer.from(text).toString("base64");
  for (const hidden of [password, encode(password), encode(`\0${user}\0${password}`)]) {
    error.message = error.message.replaceAll(hidden, "(set)");
  }
  return error;
}
