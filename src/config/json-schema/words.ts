import type { SecretInput } from "../../option-values.ts";
import type { ConfigInput } from "../schema.ts";

/** What a value is that holds no options of its own. */
type Plain = string | number | boolean | SecretInput | readonly Plain[];

/** An object's own words, then those of its options. Of a list they are of one entry. */
type Entry<Value> = [Value] extends [Plain]
  ? string
  : Value extends readonly (infer One)[]
    ? readonly [string, WordsOf<One>]
    : readonly [string, WordsOf<Value>];

/** Of a union all names, and the values of one. */
type NamesOf<Options> = Options extends unknown ? keyof Options : never;
type ValueOf<Options, Name> = Options extends unknown ? (Name extends keyof Options ? Options[Name] : never) : never;

/** Each option has its words: one without does not compile. Those of a target are in its own folder, headers have any names. */
type WordsOf<Options> = {
  [Name in NamesOf<Options>]: Name extends "target" | "formerTargets" | "headers"
    ? string
    : Entry<NonNullable<ValueOf<Options, Name>>>;
};

/** The words of any options, for those that walk them. */
export type Words = { readonly [name: string]: string | readonly [string, Words] };

const TLS = {
  cert: "The PEM file of the certificate, with its chain; read again at each reload",
  key: "The PEM file of its key; read again at each reload",
};

/** Of the forms that say where a secret is. */
export const SECRET_WORDS: Words = {
  env: "The environment variable that holds the value; a changed one needs a restart",
  file: "The file that holds the value; one line break at its end does not count",
  credential: "The systemd credential that holds the value",
};

/** What each option is, for the JSON Schema: editors show it. docs/CONFIGURE.md says more. */
export const CONFIG_WORDS: WordsOf<ConfigInput> = {
  $schema: "Where an editor finds this schema; the relay does not read it",
  dataDir:
    "The folder of the database and all that the relay writes. Default: $STATE_DIRECTORY, else data beside this file",
  server: [
    "The public listener: it takes events and serves copies",
    {
      listen: 'Address and port; "[::]:8080" for IPv6 and IPv4; port 0 picks a free one and logs it',
      publicUrl:
        "How your apps reach this listener; media links begin with it. null: http://<hostname>:<port>, with a warning",
      tls: ["The relay speaks HTTPS itself; null: plain HTTP", TLS],
      trustedProxies: "Addresses and networks of proxies whose X-Forwarded-For is believed",
    },
  ],
  receive: [
    "Who may send, and what is taken",
    {
      path: "Where events are taken, by POST",
      allowFrom: 'Addresses and networks that may send, or "any". Default: the five addresses that Wochit publishes',
      mode: '"enforce" refuses other senders; "observe" accepts everything, and logs what "enforce" would refuse',
      token: "A secret, or a list of them, each of which is good: the path becomes <path>/<token>",
      maxBody: "A larger body is answered 413",
      dedupeWindow:
        'A repetition within this time is answered as a duplicate, and not delivered again; "0s" turns it off',
      keepRefused: 'How much of refused bodies is kept, to be taken in later; "0" keeps none',
    },
  ],
  mirror: [
    "Copies of media",
    {
      enabled: "false: nothing is downloaded",
      target: "Where copies are kept: a folder or a bucket",
      formerTargets: "Where older copies are: they are served from there",
      publicBaseUrl:
        "The address of a CDN or web server in front of the folder or bucket; null: links lead to the relay",
      links:
        '"signed": links to the relay carry a signature, and without it the file is not found; "open": none is needed',
      key: "The name of a copy; it must hold {videoId} and {kind} (video, thumbnail)",
      linkLifetime: "How long a link lives that does not show its own end",
      maxSize: "A larger file is not copied",
      concurrency: "Downloads at once",
      minFreeDisk: "With less free space on the disk of dataDir, downloads wait",
      allowPrivateAddresses:
        "Whether media links may lead to private addresses: false, true, or a list of networks and host names. Cloud metadata addresses are never asked",
      onDelete: '"delete": a video.delete removes the copies, "deleteAfter" later; "keep": it does not',
      deleteAfter: 'How long after a video.delete its copies go, with "onDelete": "delete"',
    },
  ],
  endpoints: [
    "Your apps: each entry receives events",
    {
      id: "A short name, which commands and logs use: 1 to 64 of a-z 0-9 _ -",
      url: "Where events are posted. A user name and password in it become Basic authentication",
      secret:
        "What deliveries are signed with: whsec_… (HMAC) or whsk_… (ed25519), or a list: the first signs first, all of them sign",
      events:
        'Which types: exact names, "*", or prefixes such as "video.*"; "!" takes out, and the last pattern that matches decides. "*" holds no relay.… notices',
      filter: [
        "Of which contexts and videos; null: of all",
        {
          context: 'Exact values, or prefixes that end with "*"; null: all. An event without a context is in no list',
          videoId: 'Exact values, or prefixes that end with "*"; null: all',
        },
      ],
      coalesce:
        "Types of which only the newest matters, such as draft.update: a newer one of the same video takes the place of one that waits",
      body: '"enriched": with durable links, context and more; "verbatim": the bytes as they were received',
      send: '"after-mirror": once its media are settled; "immediately". Default: "after-mirror", for verbatim bodies "immediately"',
      maxWait: "How long a delivery waits for media at most, from the receipt of its event",
      order: '"video": events of one video arrive in their order; "none": each goes by itself',
      laneHold: "How long a failing delivery holds later ones of its video",
      tls: [
        "An authority that is trusted on top of the system's, and a client certificate, as PEM files; null: neither",
        {
          ca: "The PEM file of authorities to trust as well",
          cert: 'The PEM file of the client certificate; it goes with "key"',
          key: 'The PEM file of its key; it goes with "cert"',
        },
      ],
      headers:
        "Headers of your own, such as the key of a gateway before the app; a value may say where it is, as a secret does",
      timeout: "How long an answer may take",
      concurrency: "Deliveries at once",
      ratePerSecond: "At most this many attempts a second; null: no limit",
      paused: "true: nothing is sent to it, and its deliveries wait",
      retry: "The waits between attempts; after the last one the delivery is dead",
      allowPrivateAddresses:
        "Whether it may be at a private address: true, false, or a list of networks and host names",
    },
  ],
  admin: [
    "The admin API and the dashboard, on a listener of their own; null: there is none",
    {
      listen: "Address and port; beyond loopback only with a token in this file",
      token: "A secret; null: one is made in <dataDir>/admin-token at the first start",
      tokens: [
        "More tokens, each with a name, which the audit says",
        {
          name: "A short name: 1 to 64 of a-z 0-9 _ -",
          token: "A secret of at least 24 characters",
          can: '"read": GET only; "operate": everything',
        },
      ],
      tls: ["It speaks HTTPS itself; null: plain HTTP", TLS],
      publicUrl: "How people reach it behind a proxy",
    },
  ],
  store: [
    "Where events are kept: null: SQLite in dataDir; or a PostgreSQL on which several relays work",
    {
      url: "postgres://user:password@host:5432/database; several hosts, with commas between them: the one that takes writes is used",
      ca: "The PEM file of an authority that is trusted beside the system's",
    },
  ],
  retention: [
    "How long bodies and attempts are kept; ids, fingerprints, mappings and outcomes stay",
    {
      bodies: "The body of an event, its last attempts and repetitions: this long after all of its work has ended",
      attempts: "The other attempts of a delivery: this long after it has ended",
      archive: [
        'Where that is written and read back before it is pruned: "target" (the mirror target), or a folder; null: nowhere',
        { dir: "The folder" },
      ],
    },
  ],
  backup: [
    "Backups of the database that the relay makes by itself; null: none",
    {
      every: "How often",
      keep: "How many of them are kept",
      to: '"dir": into the folder "dir"; "target": into the mirror target, not with a publicBaseUrl',
      dir: 'The folder, with "to": "dir". Default: <dataDir>/backups',
    },
  ],
  alerts: [
    "What needs a person is sent to you; null: it is not",
    {
      to: [
        "Where alerts are sent",
        {
          name: "What it is called, in status and alerts test; null: it is called by its id",
          url: "A secret: the address of the webhook",
          mail: "In place of url and format: the mail address that is sent to",
          from: "The mail address that it comes from",
          smtp: "A secret: the mail server, smtps://USER:PASSWORD@HOST or smtp://… (STARTTLS)",
          format: '"slack" (Slack, Mattermost, Discord\'s /slack, Google Chat), "text" (ntfy) or "json"',
          atLeast: '"page": only what cannot wait for the working day; "ticket": all',
        },
      ],
      heartbeat: [
        "A GET while events could be committed, for a watcher outside; null: none",
        { url: "A secret: the address that is asked", every: "How often" },
      ],
    },
  ],
  log: [
    "The log, on standard output",
    {
      level: "The least that is logged; serve --log-level stands before it",
      format: '"json", "pretty", or "auto": pretty on a terminal',
    },
  ],
};
