import { spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runTool } from "./run-tool.ts";

/** The public key that users check releases with; it is in the repository from the first signed release on. */
export const PUBLIC_KEY = "minisign.pub";

/** Paths of a minisign key pair. */
export type SigningKey = { secret: string; public: string };

/**
 * The key that a release is signed with: its secret half is what `given` or $WOCHIT_RELAY_SIGN_KEY names, the public one is in
 * `root`. Throws one line where a half is missing: a build takes minutes.
 */
export function findKey(given: string | undefined, env: Record<string, string | undefined>, root: string): SigningKey {
  const secret = given ?? env.WOCHIT_RELAY_SIGN_KEY;
  if (secret === undefined || secret === "") {
    throw new Error(
      "a release is signed: name the secret key with --sign-key FILE or $WOCHIT_RELAY_SIGN_KEY, or say --unsigned",
    );
  }
  if (!existsSync(secret)) throw new Error(`there is no key ${secret}`);
  const known = join(root, PUBLIC_KEY);
  if (!existsSync(known)) {
    throw new Error(`${PUBLIC_KEY} is missing: users check releases with it (CONTRIBUTING.md, "Releases")`);
  }
  return { secret, public: known };
}

/**
 * Signs SHA256SUMS of a folder, and checks the signature as users do; resolves with its path. The same sums and key give the same
 * bytes: no time is in it. A key with a password is unlocked on standard input. Rejects with one line, and removes the sums: what
 * is not signed is not to be handed out.
 */
export async function signSums(folder: string, version: string, key: SigningKey): Promise<string> {
  const sums = join(folder, "SHA256SUMS");
  const signature = `${sums}.minisig`;
  const comment = `wochit-relay ${version}`;
  try {
    await minisign(["-S", "-s", key.secret, "-m", sums, "-x", signature, "-c", comment, "-t", comment]);
    await runTool("minisign", ["-V", "-q", "-p", key.public, "-m", sums, "-x", signature]).catch(() => {
      throw new Error(`the signature does not fit ${key.public}: is ${key.secret} its secret half?`);
    });
    return signature;
  } catch (error) {
    for (const path of [sums, signature]) rmSync(path, { force: true });
    throw error;
  }
}

/** It asks for the password by itself. */
function minisign(args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("minisign", args, { stdio: ["inherit", "ignore", "inherit"] });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`minisign cannot sign with that key (${code})`)),
    );
  });
}
