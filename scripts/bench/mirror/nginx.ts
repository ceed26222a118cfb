import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, isThere, startChild, startProgram } from "../processes.ts";
import type { MediaSettings } from "../servers/media-server.ts";

/** A provider's storage for large files. */
export type MediaHost = { url: string; name: string; stop(): Promise<void> };

/**
 * Serves the media by nginx where it is installed: it leaves the processors to those who are measured. Else by the
 * bench's own server, which costs about as much as a download. Either way both sides get theirs from the same one.
 */
export async function hostMedia(dir: string, media: MediaSettings): Promise<MediaHost> {
  if (!(await isThere("nginx", "-v"))) {
    const server = await startChild("media-server.ts", media);
    return { url: server.ready.url, name: "Node, for want of nginx", stop: server.stop };
  }
  const port = await freePort();
  const config = join(dir, "nginx.conf");
  writeFileSync(config, nginxConfig(dir, port, media));
  const server = await startProgram("nginx", ["-e", join(dir, "errors"), "-c", config], { port });
  return { url: `http://127.0.0.1:${port}`, name: "nginx", stop: server.stop };
}

/** One process, so that ending it ends all of it; as in media-server.ts any .mp4 is the one file. */
function nginxConfig(dir: string, port: number, { video, thumbnail }: MediaSettings): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${join(dir, kind)};`,
  );
  return `
daemon off;
master_process off;
pid ${join(dir, "nginx.pid")};
events { worker_connections 256; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  types { video/mp4 mp4; image/jpeg jpg; }
  ${temporary.join("\n  ")}
  server {
    listen 127.0.0.1:${port};
    root /;
    location ~ \\.mp4$ { rewrite ^ ${video} break; }
    location ~ \\.jpg$ { rewrite ^ ${thumbnail} break; }
  }
}
`;
}
