import { fail } from "../broken.ts";

/** What is put in parts, which is not seen until it is complete. `isSent`: the call that completes it is on its way. */
export type Upload = { id: number; key: string; sha: string; isSent: boolean; isForgotten: boolean };

/** A bucket, and what its readers rely on. */
export class Bucket {
  readonly objects = new Map<string, string>();
  /** Of links that apps were sent. */
  readonly #told = new Map<string, string>();
  /** What the database cannot know of any more, as it was lost for an older one. */
  readonly #forgotten = new Set<string>();
  #uploads: Upload[] = [];
  #next = 1;

  begin(key: string, sha: string): number {
    const id = this.#next++;
    this.#uploads.push({ id, key, sha, isSent: false, isForgotten: false });
    return id;
  }

  has(id: number): boolean {
    return this.#uploads.some((upload) => upload.id === id);
  }

  send(id: number): void {
    for (const upload of this.#uploads) if (upload.id === id) upload.isSent = true;
  }

  sent(): Upload[] {
    return this.#uploads.filter(({ isSent }) => isSent);
  }

  /** What was sent may still arrive. */
  giveUp(id: number | null): void {
    this.#uploads = this.#uploads.filter((upload) => upload.id !== id || upload.isSent);
  }

  abortAll(key: string): void {
    this.#uploads = this.#uploads.filter((upload) => upload.key !== key);
  }

  complete({ id, key, sha, isForgotten }: Upload): void {
    this.#uploads = this.#uploads.filter((upload) => upload.id !== id);
    const was = this.#told.get(key);
    if (was !== undefined && was !== sha) fail("a link leads to the same bytes", `${key} was ${was} and is ${sha}`);
    this.objects.set(key, sha);
    if (isForgotten) this.#forgotten.add(`${key} ${sha}`);
    else this.#forgotten.delete(`${key} ${sha}`);
  }

  tell(key: string, sha: string): void {
    this.#told.set(key, sha);
  }

  /** `sha`: the file that is meant; null: whichever there is. After a failover what apps know of may be meant, and is put anew. */
  remove(key: string, { sha, isDeleted }: { sha: string | null; isDeleted: boolean }): void {
    const isMeant = sha === null || sha === this.objects.get(key);
    if (!isDeleted && this.#told.has(key) && (!isMeant || this.known().includes(key)))
      fail("a copy that apps know of is kept", key);
    this.objects.delete(key);
    this.#told.delete(key);
  }

  forget(): void {
    for (const [key, sha] of this.objects) this.#forgotten.add(`${key} ${sha}`);
    for (const upload of this.#uploads) upload.isForgotten = true;
  }

  /** Keys of what the database should know of. */
  known(): string[] {
    return [...this.objects].filter(([key, sha]) => !this.#forgotten.has(`${key} ${sha}`)).map(([key]) => key);
  }
}
