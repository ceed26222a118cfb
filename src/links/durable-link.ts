import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { isSameSecret } from "../platform/same-secret.ts";

/** What the durable links of a relay are made of. */
export type LinkParts = {
  /** How apps reach the relay; null: not known here. */
  publicUrl: string | null;
  /** `mirror.publicBaseUrl`: a CDN's or a bucket's base, or null. */
  publicBaseUrl: string | null;
  links: "signed" | "open";
  /** The store's media secret. */
  secret: Uint8Array;
  /** The id of the present target; null: it has never held a copy. */
  presentTarget: string | null;
};

/** The target and key of a copy. */
export type CopyPlace = { target: string | null; key: string };

/**
 * The durable address of a copy: below the public base, or at the relay, signed unless links are open. The base leads to
 * the present target, so the relay itself serves the copies of former ones. Null where that needs an address not known here.
 */
export function mediaLink(parts: LinkParts & { publicUrl: string }, copy: CopyPlace): string;
export function mediaLink(parts: LinkParts, copy: CopyPlace): string | null;
export function mediaLink(parts: LinkParts, { target, key }: CopyPlace): string | null {
  const { publicUrl, publicBaseUrl, links, secret, presentTarget } = parts;
  const path = key.split("/").map(encodeURIComponent).join("/");
  if (publicBaseUrl !== null && target === presentTarget) return `${withoutSlash(publicBaseUrl)}/${path}`;
  if (publicUrl === null) return null;
  return `${withoutSlash(publicUrl)}/media/${path}${links === "open" ? "" : `?sig=${signKey(secret, key)}`}`;
}

/** The address of a listener, without a path. */
export function originOf({ tls }: { tls: unknown }, host: string, port: number): string {
  return `${tls === null ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** By their bytes, which are never changed: to sign with bytes takes five times as long as with what is made of them once. */
const keys = new WeakMap<Uint8Array, KeyObject>();

function signingKeyOf(secret: Uint8Array): KeyObject {
  const known = keys.get(secret) ?? createSecretKey(secret);
  keys.set(secret, known);
  return known;
}

/** The `sig` of a key: HMAC-SHA256 in base64url, 43 characters. It holds no time: the links are durable. */
export function signKey(secret: Uint8Array, key: string): string {
  return createHmac("sha256", signingKeyOf(secret)).update(key).digest("base64url");
}

/** Whether `sig` is the key's. */
export function isSignatureOf(secret: Uint8Array, key: string, sig: string): boolean {
  return isSameSecret(sig, signKey(secret, key));
}

function withoutSlash(base: string): string {
  return base.replace(/\/+$/, "");
}
