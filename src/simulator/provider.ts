import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock, Random } from "../ports.ts";
import { answerBadly, answerFor } from "./answer.ts";
import { type Content, heldContent } from "./content.ts";
import type { Fault } from "./faults.ts";
import type { LinkScheme } from "./link-schemes.ts";
import { signLinks } from "./links.ts";
import { filmContent, tinyJpeg, type VideoWish } from "./media.ts";
import { type ServedMedium, serveMedium } from "./medium.ts";

/** The provider's media server: files behind signed links that expire, with faults where they are wanted. */
export type Provider = {
  /** "http://127.0.0.1:<port>" */
  readonly url: string;
  readonly port: number;
  /** A video of this id, at /media/<id>/<name>; each name is a link of its own. A large one is made as it is read. */
  addVideo(videoId: string, wish?: VideoWish & { name?: string }): ServedMedium;
  /** A thumbnail of this id at /media/<id>/thumbnail.jpg; a second one takes the first one's place, behind the same link. */
  addThumbnail(videoId: string, seed?: string | number): ServedMedium;
  /** Any file; one that is there already gets this content. */
  addFile(path: string, content: Uint8Array | Content, contentType: string): ServedMedium;
  media(): ServedMedium[];
  /** For so many milliseconds nobody has asked for anything; 0 while a request is under way. */
  quietFor(): number;
  /** Sets this fault for every file, those to come as well. */
  setFault(fault: Fault | null): void;
  /** What every request meets before anything else, asked for each, with the time; null: nothing is wrong. */
  setOutage(outage: ((now: number) => Fault | null) | null): void;
  /** Ends every connection. A second call does nothing. */
  close(): Promise<void>;
};

export type ProviderOptions = {
  clock: Clock;
  random: Random;
  host?: string;
  /** 0, the default, picks one. */
  port?: number;
  /** How long a link is good for, in seconds; 24 hours unless told (PROVIDER, "Links live 24 hours"). */
  linkLifetime?: number;
  /** Whose links they look like; AWS's unless told. */
  linkScheme?: LinkScheme;
  fault?: Fault | null;
  /** Hears of each request as it comes. */
  onRequest?: (request: MediaRequest) => void;
};

/** A request as it came. What becomes of it is filled in later. */
export type MediaRequest = {
  at: number;
  method: string;
  path: string;
  range: string | null;
  ifRange: string | null;
  /** Null while, or where, nothing is answered. */
  status: number | null;
};

/** A film beyond this is not kept in memory. */
const LARGE = 16 * 2 ** 20;

/** Opens the media server. Rejects with the system's error when the port is taken. */
export async function openProvider(options: ProviderOptions): Promise<Provider> {
  const { clock, random, host = "127.0.0.1", port = 0, linkLifetime = 86_400, linkScheme = "aws" } = options;
  const media = new Map<string, ServedMedium>();
  let faultForAll = options.fault ?? null;
  let outage: ((now: number) => Fault | null) | null = null;
  let origin = "";
  let underWay = 0;
  let lastBusy = clock.elapsed();
  const links = signLinks(() => origin, { lifetime: linkLifetime, scheme: linkScheme }, { clock, random });

  function note(request: IncomingMessage, response: ServerResponse, path: string): void {
    const { range = null, "if-range": ifRange } = request.headers;
    const seen: MediaRequest = {
      at: clock.now(),
      method: request.method ?? "",
      path,
      range,
      ifRange: ifRange === undefined ? null : String(ifRange),
      status: null,
    };
    underWay++;
    response.once("close", () => {
      if (response.headersSent) seen.status = response.statusCode;
      underWay--;
      lastBusy = clock.elapsed();
    });
    options.onRequest?.(seen);
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    response.on("error", () => {}); // the other side left: nothing to be done about it
    const url = new URL(request.url ?? "/", origin);
    const hop = /^\/hop\/(\d+|Infinity)(\/.*)$/.exec(url.pathname);
    if (hop !== null) url.pathname = hop[2]!;
    note(request, response, url.pathname);
    const medium = media.get(url.pathname);
    const down = outage?.(clock.now()) ?? null;
    if (down !== null && answerBadly(down, "text/html", request, response)) {
      if (medium === undefined) return;
      medium.counts.requests++;
      medium.markMissed();
      return;
    }
    if (medium === undefined || (request.method !== "GET" && request.method !== "HEAD")) {
      response.writeHead(medium === undefined ? 404 : 405, { "content-type": "application/xml" }).end();
      return;
    }
    const { counts } = medium;
    counts.requests++;
    counts.open++;
    response.once("close", () => counts.open--);

    const hopsLeft = hop === null ? null : Number(hop[1]);
    // A redirect is met once, at its beginning: what follows are its hops, and then the file.
    const fault = hopsLeft === null ? medium.takeFault() : null;
    const hops = hopsLeft ?? (fault?.name === "redirect" ? fault.hops : 0);
    if (hops > 0) {
      const next =
        fault?.name === "redirect" && fault.to !== undefined
          ? fault.to
          : `${origin}/hop/${hops - 1}${url.pathname}${url.search}`;
      response.writeHead(302, { location: next, "content-length": 0 }).end();
      return;
    }
    void answerFor(medium, { fault, link: links.check(url), request, response, clock }).then((isGiven) => {
      if (!isGiven) medium.markMissed();
    });
  }

  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  origin = `http://${host.includes(":") ? `[${host}]` : host}:${bound}`;

  function addFile(path: string, given: Uint8Array | Content, contentType: string): ServedMedium {
    const content = given instanceof Uint8Array ? heldContent(given) : given;
    const known = media.get(path);
    known?.replace(content);
    if (known !== undefined) return known;
    const medium = serveMedium({ path, content, contentType, fault: faultForAll }, links.sign, clock);
    media.set(path, medium);
    return medium;
  }

  let closing: Promise<void> | null = null;
  return {
    url: origin,
    port: bound,
    addFile,
    addVideo(videoId, { name, ...wish } = {}) {
      const mov = wish.container === "mov";
      const path = `/media/${encodeURIComponent(videoId)}/${name ?? (mov ? "video.mov" : "video.mp4")}`;
      const film = filmContent({ seed: videoId, ...wish });
      return addFile(
        path,
        film.length > LARGE ? film : film.read(0, film.length),
        mov ? "video/quicktime" : "video/mp4",
      );
    },
    addThumbnail(videoId, seed = videoId) {
      return addFile(`/media/${encodeURIComponent(videoId)}/thumbnail.jpg`, tinyJpeg(seed), "image/jpeg");
    },
    media: () => [...media.values()],
    quietFor: () => (underWay > 0 ? 0 : clock.elapsed() - lastBusy),
    setOutage(next) {
      outage = next;
    },
    setFault(fault) {
      faultForAll = fault;
      for (const medium of media.values()) medium.setFault(fault);
    },
    close() {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}
