import { codeOf, type ErrorCode, errorLine, RelayError } from "../../errors.ts";
import type { Log } from "../../ports.ts";
import type { Opening } from "../settings.ts";
import type { StoreRole } from "../store.ts";

/** What a store's thread is started with. */
export type ThreadData = Opening & { role: StoreRole; now: number };

/** A verb that is called, by its name; `backups.` comes before those of the backups' port. */
export type Call = { id: number; verb: string; args: unknown[] };

/** One that carries a body, which has its place in the message's bytes. `plain`: its argument without it. */
export type Carrying = { id: number; verb: string; plain: object; from: number; to: number };

/**
 * All calls of one turn of the caller's event loop. `now`: the time by the caller's clock. `carrying`: those that carry a body,
 * as one text of JSON, which costs a fraction of what the copy of each as an object does; `bytes`: their bodies.
 */
export type ToThread = { now: number; calls: Call[]; carrying: string; bytes: ArrayBuffer };

export type Answer = { id: number; value: unknown } | { id: number; failure: Failure };

/** What the store says of itself. */
export type State = { trouble: string | null; damage: string | null };

export type FromThread = State &
  (
    | { is: "opened"; wasUnclean: boolean }
    | { is: "failed"; failure: Failure }
    /** `plain`: those to calls that carried a body, as far as they have no bytes themselves, as one text of JSON. */
    | { is: "answers"; answers: Answer[]; plain: string }
    | { is: "logged"; level: keyof Log; fact: string; fields: Record<string, unknown> | undefined }
    | { is: "lost" }
  );

/** An error on its way between threads. A copied error would lose its class and its code. */
export type Failure = { isOurs: boolean; code: string; message: string; cause: Failure | null };

export function packError(error: unknown): Failure {
  const isOurs = error instanceof RelayError;
  const cause = error instanceof Error && error.cause !== undefined ? packError(error.cause) : null;
  return { isOurs, code: codeOf(error), message: error instanceof Error ? error.message : errorLine(error), cause };
}

export function unpackError({ isOurs, code, message, cause }: Failure): Error {
  const options = cause === null ? {} : { cause: unpackError(cause) };
  if (isOurs) return new RelayError(code as ErrorCode, message, options);
  return Object.assign(new Error(message, options), code !== "" && { code });
}

/**
 * A value whose bytes have a buffer of their own: a view that is copied between threads takes along all of the buffer it is in,
 * for an answer a whole read of its socket.
 */
export function ownBytes(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  // A Buffer's slice() is a view.
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(ownBytes);
  const own: Record<string, unknown> = {};
  for (const name in value) own[name] = ownBytes(value[name as never]);
  return own;
}
