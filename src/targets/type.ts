import type { GenericSchema, InferInput, InferOutput } from "valibot";
import type { CopyName, MirrorTarget, Opening } from "./target.ts";

/** What the store remembers of a target, so that its copies are found when the config names another one. Never a secret. */
type AnyPlace = { type: string };

/** The schema of a target's options: an object with its `type`. */
type OptionsSchema = GenericSchema<unknown, { type: string }>;

/** One target in the config file while it is checked. Options are named without their place in the file. */
export type CheckedOptions = {
  /** Its value; undefined where it is missing, and where it is wrong already. */
  get<Value>(option: string): Value | undefined;
  /** It has a value, right or wrong. */
  isSet(option: string): boolean;
  isWrong(option: string): boolean;
  add(option: string, problem: string): void;
  /** The file that an option names; null where there is none, or where files are not read. What cannot be read is a problem. */
  file(option: string): { path: string; text: string } | null;
  /** Relative paths start here. */
  folder: string;
  dataDir: string;
};

/** What the options need to become a target. */
export type ResolveContext = {
  folder: string;
  dataDir: string;
  /** By the options that name them; null: not set, or not read. */
  secrets: Record<string, string | null>;
};

/** What doctor tries of a target, and how it names it. */
export type ProbeFacts = {
  /** What findings call the target. */
  name: string;
  /** The folder of this machine that copies are written to, the option that names it, and what a put may leave in it. */
  folder: { dir: string; option: string; incoming: string } | null;
  /** The server that is connected to, the option that names it, and what findings call it. */
  server: { url: URL; option: string; name: string } | null;
  /** Larger files go into the target in parts; null: all files go whole. */
  partSize: number | null;
  /** Readers that the target admits and that cannot read its copies; null: there are none. */
  unreadable(): Promise<{ detail: string; advice: string } | null>;
  /** What `MirrorTarget.oddities` are to an operator. */
  oddities: "ok" | "warning";
  /** What to do where no answer comes in time. */
  whenLate: string;
};

/**
 * All that is known of a type of target, in one place: its options in the config, what is remembered of it, how it is
 * opened, what doctor tries. It is read by each command, so clients and drivers are loaded by `open`, not before.
 */
export type TargetType<Options extends OptionsSchema, Place extends AnyPlace, Target extends Place = Place> = {
  options: Options;
  /** What each of them is, for the JSON Schema. */
  words: { [Name in keyof InferInput<Options>]-?: string };
  /** Options that are secrets, each with what turns its text into its value; throws RelayError("config") for a wrong one. */
  secrets: Record<string, (text: string) => string>;
  /** Adds what the schema cannot say. */
  check(options: CheckedOptions): void;
  /** What a right config may not mean, one line each; `path` is the target's place in the file. */
  warn(options: InferOutput<Options>, path: string): string[];
  /** Relative paths made absolute, secrets filled in, defaults decided. */
  resolve(options: InferOutput<Options>, context: ResolveContext): Target;

  placeOf(target: Target): Place;
  /** Two places of one name are the same: the way there may change, and be spelled in several ways. */
  nameOf(place: Place): string;
  /** What operators call it: "the folder /srv/media". */
  describe(place: Place): string;
  /** The folder of this machine that holds the copies; null: they are elsewhere. */
  folderOf(place: Place): string | null;
  /** The place as the database keeps it: what lies in the data folder moves with it. */
  toStored(place: Place, dataDir: string): Place;
  fromStored(place: Place, dataDir: string): Place;
  /** The names that a copy has in other places of this type. */
  otherNames(copy: { place: Place; key: string }, others: { id: string; place: Place }[]): Promise<CopyName[]>;

  /** Throws where it cannot be used now. */
  open(target: Target, opening: Opening): Promise<MirrorTarget>;
  /** Opens a former target that the config does not name. `present` is the present target where it is of this type. */
  openFormer(
    place: Place,
    present: Target | null,
    open: (target: Target) => Promise<MirrorTarget>,
  ): Promise<MirrorTarget>;

  probe(target: Target): ProbeFacts;
};
