import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock, Random } from "../ports.ts";
import { answerBadly, answerFor } from "./answer.ts";
import { type Content, heldContent } from "./content.ts";
import type { Fault } from "./faults.ts";
import { type LinkScheme, signLinks } from "./links.ts";
import { filmContent, tinyJpeg, type VideoOptions } from "./media.ts";
import { ServedMedium } from "./medium.ts";

/** The provider's media server: files behind signed links that expire, with faults where they are wanted. */
export type Provider = Awaited<ReturnType<typeof openProvider>>;

export type ProviderOptions = {
  clock: Clock;
  random: Random;
  host?: string;
  /** 0, the default, picks one. */
  port?: number;
  /** How long a link is good for, in seconds; 24 hours unless given (PROVIDER, "Links live 24 hours"). */
  linkLifetime?: number;
  /** Whose links they look like; AWS's unless given. */
  linkScheme?: LinkScheme;
  fault?: Fault | null;
  /** Called with each request as it comes. */
  onRequest?: (request: MediaRequest) => void;
};

/** A request as it came. `status` is filled in when it has been answered. */
export type MediaRequest = {
  at: number;
  method: string;
  path: string;
  range: string | null;
  ifRange: string | null;
  /** Null while, or where, nothing is answered. */
  status: number | null;
};

/** A larger film is not kept in memory. */
const LARGE = 16 * 2 ** 20;

/** Opens the media server. Rejects with the system's error when the port is taken. */
export async function openProvider(options: ProviderOptions) {
  const { clock, random, host = "127.0.0.1", port = 0, linkLifetime = 86_400, linkScheme = "aws" } = options;
  const media = new Map<string, ServedMedium>();
  let faultForAll = options.fault ?? null;
  let outage: ((now: number) => Fault | null) | null = null;
  let origin = "";
  let underWay = 0;
  let lastBusy = clock.elapsed();
  const links = signLinks(() => origin, { lifetime: linkLifetime, scheme: linkScheme }, { clock, random });

  function note({ method = "", headers }: IncomingMessage, response: ServerResponse, path: string): void {
    const { range = null, "if-range": ifRange = null } = headers;
    const seen: MediaRequest = {
      at: clock.now(),
      method,
      path,
      range,
      ifRange: ifRange && String(ifRange),
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
    response.on("error", () => {}); // the client has left
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
    // A redirect is one fault, met at its beginning: its hops and the file come after it.
    const fault = hopsLeft === null ? medium.takeFault() : null;
    const redirect = fault?.name === "redirect" ? fault : null;
    const hops = hopsLeft ?? redirect?.hops ?? 0;
    if (hops > 0) {
      const location = redirect?.to ?? `${origin}/hop/${hops - 1}${url.pathname}${url.search}`;
      response.writeHead(302, { location, "content-length": 0 }).end();
      return;
    }
    void answerFor(medium, { fault, link: links.check(url), request, response, clock }).then((isGiven) => {
      if (!isGiven) medium.markMissed();
    });
  }

  const server = createServer(answer).listen(port, host);
  await once(server, "listening");
  const bound = (server.address() as AddressInfo).port;
  origin = `http://${host.includes(":") ? `[${host}]` : host}:${bound}`;

  /** Any file; an existing one gets this content. */
  function addFile(path: string, given: Uint8Array | Content, contentType: string): ServedMedium {
    const content = given instanceof Uint8Array ? heldContent(given) : given;
    const known = media.get(path);
    known?.replace(content);
    if (known !== undefined) return known;
    const medium = new ServedMedium({ path, content, contentType, fault: faultForAll }, links.sign, clock);
    media.set(path, medium);
    return medium;
  }

  let closing: Promise<void> | null = null;
  return {
    /** "http://127.0.0.1:<port>" */
    url: origin,
    port: bound,
    addFile,
    /** A video of this id, at /media/<id>/<name>; each name is a link of its own. A large one is made as it is read. */
    addVideo(videoId: string, { name, ...options }: VideoOptions & { name?: string } = {}): ServedMedium {
      const [usual, type] = options.container === "mov" ? ["video.mov", "video/quicktime"] : ["video.mp4", "video/mp4"];
      const film = filmContent({ seed: videoId, ...options });
      const path = `/media/${encodeURIComponent(videoId)}/${name ?? usual}`;
      return addFile(path, film.length > LARGE ? film : film.read(0, film.length), type!);
    },
    /** A thumbnail of this id at /media/<id>/thumbnail.jpg; a second one replaces the first, behind the same link. */
    addThumbnail(videoId: string, seed: string | number = videoId): ServedMedium {
      return addFile(`/media/${encodeURIComponent(videoId)}/thumbnail.jpg`, tinyJpeg(seed), "image/jpeg");
    },
    media: () => [...media.values()],
    /** For how many milliseconds there has been no request; 0 while one is under way. */
    quietFor: () => (underWay > 0 ? 0 : clock.elapsed() - lastBusy),
    /** What every request meets before anything else, called for each, with the time; null: nothing is wrong. */
    setOutage(next: typeof outage): void {
      outage = next;
    },
    /** Sets this fault for every file, those to come as well. */
    setFault(fault: Fault | null): void {
      faultForAll = fault;
      for (const medium of media.values()) medium.setFault(fault);
    },
    /** Ends every connection. A second call does nothing. */
    close(): Promise<void> {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}
