export type ConnectionLimits = {
  /** Timeouts of a request's head, and of all of it, in milliseconds. */
  headersTimeout: number;
  requestTimeout: number;
  /** The most connections; `forStrangers` of them may be of addresses that are not trusted. */
  atMost: number;
  forStrangers: number;
  /** The share of one address that is not trusted (an IPv6 network of 64 bits counts as one); and where all may send. */
  share: number;
  openShare: number;
  /** Idle timeout of addresses that may not send, in milliseconds. */
  strangerIdle: number;
  /** After this long without progress a connection that is not trusted may be closed for another, in milliseconds. */
  giveWay: number;
  /** A connection whose client reads nothing is closed after this many milliseconds. */
  stall: number;
  /** The most connections of clients that have stopped reading. */
  stalledReaders: number;
};

/** The addresses that a listener serves first. */
export type Trust = {
  /** True for addresses that may send events, and for trusted proxies: their connections are never closed for others. */
  isTrusted(address: string): boolean;
  /** All addresses may send: an idle connection is closed only when room is needed. */
  isOpen: boolean;
};
