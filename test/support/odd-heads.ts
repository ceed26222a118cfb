import type { Socket } from "node:net";

/** Answers whose heads browsers, curl and wget take and a strict parser refuses, and what it has against them. */
export const ODD_HEADS: Record<string, { says: RegExp; answer(content: Buffer, socket: Socket): void }> = {
  both: {
    says: /Content-Length beside Transfer-Encoding/,
    answer(content, socket) {
      const head = `Content-Length: ${content.length}\r\nTransfer-Encoding: chunked\r\n\r\n${content.length.toString(16)}\r\n`;
      socket.write(`HTTP/1.1 200 OK\r\n${head}`);
      socket.write(content);
      socket.end("\r\n0\r\n\r\n");
    },
  },
  twice: { says: /Content-Length more than once/, answer: sized((length) => `Content-Length: ${length}\r\n`) },
  different: { says: /Content-Length more than once/, answer: sized((length) => `Content-Length: ${length + 9}\r\n`) },
  list: {
    says: /Content-Length more than once/,
    answer: (content, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}, ${content.length}\r\n\r\n`);
      socket.end(content);
    },
  },
  lf: {
    says: /a line that ends without CR/,
    answer: (content, socket) => {
      socket.write(`HTTP/1.1 200 OK\nContent-Length: ${content.length}\n\n`);
      socket.end(content);
    },
  },
  control: { says: /a control character/, answer: sized(() => "X-A: a\x01b\r\n") },
  folded: { says: /a folded line/, answer: sized(() => "X-A: a\r\n b\r\n") },
  long: { says: /a head of 20\d\d\d bytes/, answer: sized(() => `X-A: ${"x".repeat(20_000)}\r\n`) },
  colon: { says: /a line without a colon/, answer: sized(() => "garbage\r\n") },
  name: { says: /a name that is none/, answer: sized(() => "X A: b\r\n") },
  number: {
    says: /a Content-Length that is no number/,
    answer: (content, socket) => sent(content, socket, "Content-Length: many\r\n"),
  },
};

function sized(extra: (length: number) => string) {
  return (content: Buffer, socket: Socket) =>
    sent(content, socket, `Content-Length: ${content.length}\r\n${extra(content.length)}`);
}

function sent(content: Buffer, socket: Socket, head: string): void {
  socket.write(`HTTP/1.1 200 OK\r\n${head}Connection: close\r\n\r\n`);
  socket.end(content);
}
