/**
 * The PostgreSQL that several relays work on. `url`: its address with the password in it (place.ts); null: it cannot be read
 * here, and `why`, in one line. `ca`: certificates in PEM that its own is verified by, beside the system's; null: none.
 */
export type Database = { url: string; ca: string | null } | { url: null; why: string };
