import process from "node:process";

/**
 * Name lookups, file work and hashing share libuv's pool of four threads, of which slow lookups may take half: two names
 * whose name server is dead would hold up every other name. The pool is sized at its first use, so this comes before
 * everything else (docs.libuv.org/en/v1.x/threadpool.html). An operator's own setting stands. Deno has no such pool.
 */
if (process.versions.deno === undefined) process.env.UV_THREADPOOL_SIZE ??= "32";
