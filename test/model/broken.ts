/** A promise that is not kept. */
export class Broken extends Error {
  override readonly name = "Broken";
  readonly promise: string;
  constructor(promise: string, detail: string) {
    super(detail);
    this.promise = promise;
  }
}

export function fail(promise: string, detail: string): never {
  throw new Broken(promise, detail);
}
