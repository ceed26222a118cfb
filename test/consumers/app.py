"""An app around a snippet for Python (argument: its file): 204 where a message is signed by one of $KEYS, else 401."""
import importlib.util, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

spec = importlib.util.spec_from_file_location("snippet", sys.argv[1])
snippet = importlib.util.module_from_spec(spec)
spec.loader.exec_module(snippet)
keys = os.environ["KEYS"].split(" ")


class App(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        is_right = any(snippet.is_signed(key, self.headers, body) for key in keys)
        self.send_response(204 if is_right else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), App)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
