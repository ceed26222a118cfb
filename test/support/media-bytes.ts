import { Buffer } from "node:buffer";

/** Bytes that look like media to a sniffer; nothing here plays. */

export function box(type: string, content: Uint8Array | number): Buffer {
  const body = typeof content === "number" ? Buffer.alloc(content, 7) : content;
  const header = Buffer.alloc(8);
  header.writeUInt32BE(8 + body.length, 0);
  header.write(type, 4, "latin1");
  return Buffer.concat([header, body]);
}

const ftyp = (brand: string) => box("ftyp", Buffer.from(`${brand}\x00\x00\x02\x00${brand}`, "latin1"));

/** A movie header (ISO/IEC 14496-12, 8.2.2) of so many seconds, in thousandths; 0: unknown. */
export function mvhd(seconds: number): Buffer {
  const content = Buffer.alloc(100);
  content.writeUInt32BE(1000, 12);
  content.writeUInt32BE(Math.round(seconds * 1000), 16);
  return box("mvhd", content);
}

/** An index (8.2.1) of a film of so many seconds with one track; nothing of it can be played. */
export function moov(seconds = 0): Buffer {
  return box("moov", Buffer.concat([mvhd(seconds), trak()]));
}

/** A track that has media (8.3.1, 8.4.1). */
export function trak(): Buffer {
  return box("trak", box("mdia", 40));
}

/** ftyp, moov, mdat: a film of `bytes` bytes of media data that differs by `seed`. */
export function mp4({ bytes = 100, seed = 0, brand = "isom", seconds = 0 } = {}): Buffer {
  return film(moov(seconds), Buffer.alloc(bytes, seed & 0xff), brand);
}

/** A film with this index and media data. */
export function film(index: Uint8Array, data: Uint8Array, brand = "isom"): Buffer {
  return Buffer.concat([ftyp(brand), index, box("mdat", data)]);
}

/** The index comes last, as encoders that do not think of the web write it. */
export function mp4IndexLast(bytes = 100): Buffer {
  return Buffer.concat([ftyp("isom"), box("mdat", bytes), moov()]);
}

export function jpeg(seed = 0): Buffer {
  const app0 = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]);
  return Buffer.concat([app0, Buffer.alloc(64, seed & 0x7f), Buffer.from([0xff, 0xd9])]);
}

export function png(): Buffer {
  const chunk = (type: string, length: number) => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(length, 0);
    head.write(type, 4, "latin1");
    return Buffer.concat([head, Buffer.alloc(length + 4)]);
  };
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([magic, chunk("IHDR", 13), chunk("tEXt", 200_000), chunk("IDAT", 20), chunk("IEND", 0)]);
}
