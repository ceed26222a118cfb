import assert from "node:assert/strict";
import { test } from "node:test";
import { endpoint, openConfigFiles } from "./files.ts";

const { load } = openConfigFiles();

test("options of later versions are accepted with a warning", () => {
  const { warnings } = load({
    server: { publicUrl: "https://r.example.com" },
    mirror: { onDelete: "delete" },
    admin: {},
    retention: { bodies: "1d" },
    backup: { every: "1h" },
    endpoints: [endpoint()],
  });
  assert.deepEqual(warnings.map((line) => line.split(":")[0]).sort(), [
    "admin",
    "backup",
    "mirror.onDelete",
    "retention",
  ]);
});
