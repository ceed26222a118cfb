import process from "node:process";

/**
 * Name lookups, file work and hashing share libuv's pool of four threads, half of which slow lookups may take: two names with
 * dead name servers would delay all others. The pool is sized at its first use, so this module is imported before all others
 * (docs.libuv.org/en/v1.x/threadpool.html). The operator's setting has precedence. Deno has no such pool.
 */
if (process.versions.deno === undefined) process.env.UV_THREADPOOL_SIZE ??= "32";
