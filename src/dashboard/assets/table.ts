import { hash } from "node:crypto";
import type { Assets } from "../parts/frame.ts";
import { readAsset } from "./files.ts";
import { slimScript, slimSheet } from "./slim.ts";

/** The parts of the one sheet, in their order. */
const SHEET = ["tokens", "page", "controls", "states", "tables", "pieces", "timeline", "charts", "alone", "narrow"];

/** The sheet, the script and the icon. Their addresses hold a hash of what they are, so that they may be kept for ever. */
export function openAssets(): { addresses: Assets; answer(name: string): Response | null } {
  const css = SHEET.map((name) => readAsset(`sheet/${name}.css`)).join("\n");
  const files = new Map<string, { type: string; text: string }>();
  const add = (text: string, extension: string, type: string): string => {
    const name = `${hash("sha256", text, "hex").slice(0, 16)}.${extension}`;
    files.set(name, { type, text });
    return `/assets/${name}`;
  };
  const addresses = {
    css: add(slimSheet(css), "css", "text/css; charset=utf-8"),
    js: add(slimScript(readAsset("dashboard.js")), "js", "text/javascript; charset=utf-8"),
    icon: add(readAsset("icon.svg"), "svg", "image/svg+xml"),
  };
  return {
    addresses,
    answer(name) {
      const file = files.get(name);
      if (file === undefined) return null;
      const headers = { "content-type": file.type, "cache-control": "public, max-age=31536000, immutable" };
      return new Response(file.text, { headers });
    },
  };
}
