export type ConnectionLimits = {
  /** A request must have sent its head within this long, all of itself within that; milliseconds. */
  headersTimeout: number;
  requestTimeout: number;
  /** Connections at most. The last of them are for trusted addresses: others are taken only up to `forStrangers`. */
  atMost: number;
  forStrangers: number;
  /** What one address that is not trusted may hold, an IPv6 network of 64 bits counting as one; and where all may send. */
  share: number;
  openShare: number;
  /** How long the connection of an address that may not send may be idle, in milliseconds. */
  strangerIdle: number;
  /** A stranger's connection without progress may be closed for another after this many milliseconds. */
  giveWay: number;
  /** A connection whose client takes nothing of what is sent to it is closed after this many milliseconds. */
  stall: number;
  /** How many clients that have stopped reading are held until then. */
  stalledReaders: number;
};

/** Whom a listener serves first. */
export type Trust = {
  /** True for addresses that may send events, and for proxies that are believed: theirs are never closed for others. */
  isTrusted(address: string): boolean;
  /** All addresses may send: then an idle connection is closed only for want of room. */
  isOpen: boolean;
};
