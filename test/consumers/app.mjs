import { createServer } from "node:http";
import process from "node:process";
import { pathToFileURL } from "node:url";

// An app around a snippet for Node (argument: its file): 204 where a message is signed by one of $KEYS, else 401.

const { isSigned } = await import(pathToFileURL(process.argv[2]));
const keys = process.env.KEYS.split(" ");
const server = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray());
  const isRight = keys.some((key) => isSigned(key, request.headers, body));
  response.writeHead(isRight ? 204 : 401).end();
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
