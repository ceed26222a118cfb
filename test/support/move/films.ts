import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { listen } from "../listen.ts";
import { mp4 } from "../media-bytes.ts";

/** Larger than one part of a multipart upload. */
const LARGE = 9 * 2 ** 20;

/** One film in so many is large, the first one too. */
const LARGE_EVERY = 40;

export type Film = { videoId: string; bytes: number };

/** So many films of about so many bytes together, some of them sent in parts. */
export function filmsOf(copies: number, bytes: number): Film[] {
  const large = Math.ceil(copies / LARGE_EVERY);
  const small = Math.max(1_000, Math.floor((bytes - large * LARGE) / Math.max(1, copies - large)));
  return Array.from({ length: copies }, (_, nth) => ({
    videoId: `film-${nth}`,
    bytes: nth % LARGE_EVERY === 0 ? LARGE : small,
  }));
}

/** A film's bytes: those of no other film. */
function contentOf({ videoId, bytes }: Film): Buffer {
  const nth = Number(videoId.split("-")[1]);
  return mp4({ bytes, seed: nth, seconds: nth + 1 });
}

export const sha256OfFilm = (film: Film): string => createHash("sha256").update(contentOf(film)).digest("hex");

/** The provider's host: `<url>/<videoId>.mp4`. */
export async function serveFilms(films: Film[]) {
  const known = new Map(films.map((film) => [`/${film.videoId}.mp4`, film]));
  const server = createServer((request, response) => {
    const film = known.get(new URL(request.url ?? "", "http://h").pathname);
    if (film === undefined) return void response.writeHead(404).end();
    const content = contentOf(film);
    response.writeHead(200, { "content-type": "video/mp4", "content-length": content.length }).end(content);
  });
  return listen(null, server);
}
