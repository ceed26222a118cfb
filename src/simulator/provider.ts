import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock, Random } from "../ports.ts";
import { answerFor } from "./answer.ts";
import type { Fault } from "./faults.ts";
import { signLinks } from "./links.ts";
import { tinyJpeg, tinyMp4, type VideoOptions } from "./media.ts";
import { type ServedMedium, serveMedium } from "./medium.ts";

/** The provider's media server: files behind signed links that expire, with faults where they are wanted. */
export type Provider = Awaited<ReturnType<typeof openProvider>>;

/** Opens the media server on a free port of 127.0.0.1. */
export async function openProvider({ clock, random }: { clock: Clock; random: Random }) {
  const media = new Map<string, ServedMedium>();
  let faultForAll: Fault | null = null;
  let origin = "";
  let underWay = 0;
  let lastBusy = clock.elapsed();
  const links = signLinks(() => origin, { clock, random });

  function answer(request: IncomingMessage, response: ServerResponse): void {
    response.on("error", () => {}); // the client has left
    const url = new URL(request.url ?? "/", origin);
    const hop = /^\/hop\/(\d+|Infinity)(\/.*)$/.exec(url.pathname);
    if (hop !== null) url.pathname = hop[2]!;
    underWay++;
    response.once("close", () => {
      underWay--;
      lastBusy = clock.elapsed();
    });
    const medium = media.get(url.pathname);
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
      if (!isGiven) medium.markTaken(null);
    });
  }

  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  /** A file of this video; an existing one gets this content. */
  function addFile(videoId: string, name: string, bytes: Uint8Array, contentType: string): ServedMedium {
    const path = `/media/${encodeURIComponent(videoId)}/${name}`;
    const known = media.get(path);
    known?.replace(bytes);
    if (known !== undefined) return known;
    const medium = serveMedium({ path, bytes, contentType, fault: faultForAll }, links.sign, clock);
    media.set(path, medium);
    return medium;
  }

  let closing: Promise<void> | null = null;
  return {
    /** "http://127.0.0.1:<port>" */
    url: origin,
    /** For tests, which have listeners of their own. */
    server,
    /** A video of this id, at /media/<id>/<name>; each name is a link of its own. */
    addVideo(videoId: string, { name = "video.mp4", ...options }: VideoOptions & { name?: string } = {}): ServedMedium {
      return addFile(videoId, name, tinyMp4({ seed: videoId, ...options }), "video/mp4");
    },
    /** A thumbnail of this id at /media/<id>/thumbnail.jpg; a second one replaces the first, behind the same link. */
    addThumbnail(videoId: string, seed: string | number = videoId): ServedMedium {
      return addFile(videoId, "thumbnail.jpg", tinyJpeg(seed), "image/jpeg");
    },
    media: () => [...media.values()],
    /** For how many milliseconds there has been no request; 0 while one is under way. */
    quietFor: () => (underWay > 0 ? 0 : clock.elapsed() - lastBusy),
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
