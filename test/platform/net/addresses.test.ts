import assert from "node:assert/strict";
import test from "node:test";
import { RelayError } from "../../../src/errors.ts";
import { clientAddress, holderOf, parseNetworks, refusalOf } from "../../../src/platform/net/addresses.ts";
import { fc, holdsForAll } from "../../support/property.ts";

test("networks contain their addresses, in either family and in mapped form", () => {
  const networks = parseNetworks(["54.81.68.237", "10.1.2.3/8", "2001:DB8::/32", "::ffff:192.0.2.0/120", "fd00::1"]);
  const inside = [
    "54.81.68.237",
    "::ffff:54.81.68.237",
    "::FFFF:3651:44ed",
    "10.255.0.1",
    "::ffff:10.0.0.1",
    "2001:db8:1::1",
    "2001:0db8:0000::1%eth0",
    "192.0.2.200",
    "fd00:0:0::1",
  ];
  const outside = [
    "54.81.68.238",
    "11.0.0.1",
    "2001:db9::1",
    "192.0.3.1",
    "fd00::2",
    "::10.0.0.1",
    "",
    "10.0.0",
    "010.0.0.1",
    "x",
  ];
  for (const address of inside) assert.equal(networks.contains(address), true, address);
  for (const address of outside) assert.equal(networks.contains(address), false, address);
  assert.equal(parseNetworks(["0.0.0.0/0"]).contains("::1"), false);
  assert.equal(parseNetworks(["::/0"]).contains("1.2.3.4"), false);
  assert.equal(parseNetworks(["1.2.3.4"]).contains("::ffff:1.2.3.4"), true);
  assert.equal(parseNetworks(["::ffff:1.2.3.4"]).contains("1.2.3.4"), true);
});

/** IPv4 addresses, often such as are not public. */
const ipv4 = fc.oneof(
  fc.ipV4(),
  fc.constantFrom(..."0.0.0.2 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 169.254.169.254 192.168.1.1".split(" ")),
  fc.constantFrom(..."192.0.2.1 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255".split(" ")),
);

const bytesOf = (address: string) => address.split(".").map(Number);
const inHex = (bytes: number[]) =>
  Buffer.from(bytes)
    .toString("hex")
    .replace(/(....)(?=.)/g, "$1:");

test("a network holds an address when the bits of its prefix are the same", () => {
  const cases = fc.record({ size: fc.constantFrom(4, 16), bytes: fc.uint8Array({ minLength: 16, maxLength: 16 }) });
  const flips = fc.record({ length: fc.nat({ max: 128 }), bit: fc.nat({ max: 127 }) });
  holdsForAll(fc.tuple(cases, flips), ([{ size, bytes }, flip]) => {
    const network = [...bytes.slice(0, size)];
    const length = flip.length % (size * 8 + 1);
    const bit = flip.bit % (size * 8);
    const address = network.map((byte, at) => (at === bit >> 3 ? byte ^ (0x80 >> (bit & 7)) : byte));
    const written = (of: number[]) => (size === 4 ? of.join(".") : inHex(of));
    const networks = parseNetworks([`${written(network)}/${length}`]);
    assert.equal(networks.contains(written(network)), true);
    assert.equal(networks.contains(written(address)), bit >= length);
  });
});

test("an entry that is no address and no CIDR is named in the error", () => {
  const bad = [
    "1.2.3",
    "1.2.3.4/33",
    "1.2.3.4/",
    "1.2.3.4/8/8",
    "::1/129",
    "fe80::1%eth0",
    "01.2.3.4",
    "host",
    "",
    " 1.2.3.4",
    "0x7f.0.0.1",
  ];
  for (const entry of bad) {
    assert.throws(
      () => parseNetworks(["1.2.3.4", entry]),
      (error) =>
        error instanceof RelayError &&
        error.code === "config" &&
        error.message.includes(`"${entry}"`) &&
        !error.message.includes("\n"),
      entry,
    );
  }
});

const proxies = parseNetworks(["10.0.0.0/8", "fd00::/8"]);

test("a socket that is no trusted proxy speaks for itself, whatever the header says", () => {
  assert.equal(clientAddress("203.0.113.9", "54.81.68.237", proxies), "203.0.113.9");
  assert.equal(clientAddress("::ffff:203.0.113.9", "rubbish", proxies), "203.0.113.9");
  assert.equal(clientAddress("2001:DB8::1", undefined, proxies), "2001:db8::1");
  assert.equal(clientAddress(undefined, "54.81.68.237", proxies), null);
});

test("behind trusted proxies the right-most address that is not one of them counts", () => {
  const cases: [string | string[] | undefined, string | null][] = [
    [undefined, "10.0.0.1"],
    ["54.81.68.237", "54.81.68.237"],
    ["54.81.68.237, 203.0.113.9", "203.0.113.9"],
    ["54.81.68.237 ,203.0.113.9 , 10.2.3.4,  ::ffff:10.9.9.9, fd00::7", "203.0.113.9"],
    [["54.81.68.237", "203.0.113.9, 10.2.3.4"], "203.0.113.9"],
    ["10.3.3.3, 10.2.2.2", "10.3.3.3"],
    ["1.2.3.4:55", "1.2.3.4"],
    ["[2001:db8::1]:55, [fd00::1]:443, [fd00::2]", "2001:db8::1"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["garbage, 203.0.113.9", "203.0.113.9"],
  ];
  for (const [header, expected] of cases)
    assert.equal(clientAddress("10.0.0.1", header, proxies), expected, String(header));
});

test("what stands left of the first that is no proxy changes nothing", () => {
  const client = fc.oneof(fc.ipV4(), fc.ipV6()).filter((address) => !proxies.contains(address));
  const chain = fc.array(fc.tuple(fc.constantFrom("10.1.2.3", "fd00::7", "[fd00::8]:443"), fc.constantFrom("", " ")));
  holdsForAll(fc.tuple(fc.string(), client, chain), ([left, address, right]) => {
    const header = [left, address, ...right.map(([proxy, space]) => `${space}${proxy}${space}`)].join(",");
    assert.equal(clientAddress("10.0.0.1", header, proxies), clientAddress(address, undefined, proxies));
  });
});

test("a malformed entry that the walk reaches refuses", () => {
  const headers = [
    "unknown",
    "_hidden",
    " ",
    "1.2.3.4, ",
    ",10.0.0.2",
    "1.2.3.4, 10.0.0.2, 10.0.0",
    "1.2.3.4:123456",
    "[1.2.3.4]",
    "[::1",
    "1.2.3.4, 127.1",
    "0x7f.0.0.1",
    "é".repeat(100),
    Array<string>(10_000).fill("10.0.0.2").join(","),
    "9".repeat(1_000_000),
  ];
  for (const header of headers) assert.equal(clientAddress("10.0.0.1", header, proxies), null, header.slice(0, 40));
});

test("public addresses may be connected to", () => {
  const addresses = ["8.8.8.8", "54.81.68.237", "172.32.0.1", "100.63.255.255", "2606:4700::1111"];
  for (const address of addresses) assert.equal(refusalOf(address, false), null, address);
});

test("addresses that are not public are refused unless the operator allowed them", () => {
  const cases: [string, RegExp][] = [
    ["127.0.0.1", /loopback/],
    ["127.255.255.254", /loopback/],
    ["10.0.0.1", /private/],
    ["172.16.0.1", /private/],
    ["192.168.1.1", /private/],
    ["169.254.1.1", /link-local/],
    ["100.64.0.1", /carrier/],
    ["0.0.0.0", /unspecified/],
    ["0.1.2.3", /unspecified/],
    ["224.0.0.1", /multicast/],
    ["255.255.255.255", /broadcast/],
    ["240.0.0.1", /reserved/],
    ["198.18.0.1", /reserved/],
    ["192.0.2.1", /reserved/],
    ["::", /unspecified/],
    ["::1", /loopback/],
    ["fd12::1", /unique local/],
    ["fe80::1", /link-local/],
    ["fe80::1%eth0", /link-local/],
    ["fec0::1", /site-local/],
    ["ff02::1", /multicast/],
    ["2001:db8::1", /reserved/],
    ["100::1", /reserved/],
    ["5f00::1", /reserved/],
    ["4000::1", /reserved/],
    ["64:ff9b:1:808:8:800:0a00:1", /private/],
  ];
  for (const [address, words] of cases) {
    assert.match(refusalOf(address, false) ?? "allowed", words, address);
    assert.equal(refusalOf(address, true), null, address);
  }
});

test("an IPv6 address that leads to an IPv4 one is judged by that one", () => {
  const every = parseNetworks(["0.0.0.0/0", "::/0"]);
  holdsForAll(fc.tuple(ipv4, fc.constantFrom(false, true, every)), ([address, allowed]) => {
    const bytes = bytesOf(address);
    const [a, b, c, d] = bytes as [number, number, number, number];
    const others = [
      ...[
        `::${address}`,
        `::ffff:${address}`,
        `::ffff:0:${address}`,
        `64:ff9b::${address}`,
        `64:ff9b::${inHex(bytes)}`,
      ],
      ...[`2002:${inHex(bytes)}::1`, `64:ff9b:1:${inHex([a, b, 0, c, d, 0])}::`],
      `2001:0:808:808:0:0:${inHex(bytes.map((byte) => byte ^ 0xff))}`,
      `2001:0:${inHex(bytes)}:0:0:f7f7:f7f7`,
    ];
    for (const other of others) assert.equal(refusalOf(other, allowed), refusalOf(address, allowed), other);
  });
});

test("named networks are allowed, others stay refused, and an IPv4 name covers what leads to it", () => {
  const named = parseNetworks(["10.1.0.0/16", "fd00::/8", "64:ff9b:1::/48"]);
  for (const address of [
    "10.1.2.3",
    "::ffff:10.1.2.3",
    "64:ff9b::10.1.2.3",
    "2002:a01:203::1",
    "fd00::1",
    "64:ff9b:1::a02:1",
  ]) {
    assert.equal(refusalOf(address, named), null, address);
  }
  for (const address of ["10.2.0.1", "127.0.0.1", "64:ff9b::10.2.0.1", "::1"])
    assert.notEqual(refusalOf(address, named), null, address);
  assert.equal(refusalOf("8.8.8.8", named), null);
});

test("a metadata address is never allowed, in whatever clothes it comes", () => {
  const all = parseNetworks(["0.0.0.0/0", "::/0"]);
  const addresses = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b:1:fffe::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "2001:0:808:808:0:0:5601:5601",
    "fd00:ec2::254",
    "FD00:0EC2:0::0254",
    "100.100.100.200",
    "169.254.170.2",
    "fe80::a9fe:a9fe%eth0",
  ];
  for (const address of addresses) {
    for (const allowed of [false, true, all])
      assert.match(refusalOf(address, allowed) ?? "allowed", /metadata/, address);
  }
});

test("what is no address is refused", () => {
  for (const text of ["", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4.5"]) {
    assert.equal(refusalOf(text, true), "not an IP address", text);
  }
});

test("an IPv6 host holds its network of 64 bits, an IPv4 host its address, however it is written", () => {
  assert.equal(holderOf("2001:db8:1:2::7"), holderOf("2001:db8:1:2:ffff::1%eth0"));
  assert.notEqual(holderOf("2001:db8:1:2::7"), holderOf("2001:db8:1:3::7"));
  assert.equal(holderOf("::ffff:192.0.2.7"), holderOf("192.0.2.7"));
  assert.notEqual(holderOf("192.0.2.7"), holderOf("192.0.2.8"));
  assert.equal(holderOf("unknown"), "unknown");
});
