import type {
  Matching,
  RunOptions,
  RunOutcome,
  RunVerb,
  Task,
  TaskJob,
  TaskPiece,
  TaskState,
  TaskWish,
} from "../model/task.ts";

/** The copy of a medium, as it was read: where it is, and what. Targets are ids. */
export type MovedCopy = { mediumId: string; from: { target: string; key: string; sha256: string } };

/** A copy that is elsewhere, or was left there by a move. Bytes; null: not known. */
export type ElsewhereCopy = { mediumId: string; target: string; bytes: number | null };

export type MoveOutcome =
  /** The copy is there. `deleteAt`: when it is deleted where it was; null: it is left there. */
  | { is: "moved"; to: { target: string; key: string }; deleteAt: number | null }
  /** It cannot be moved, because of what is where it was. */
  | { is: "failed"; error: string }
  /** Not now: until it is placed again others may work on the copies of its video. */
  | { is: "later" };

/**
 * What becomes of a move. `busy`: the medium is being downloaded or uploaded, or another relay is at its video; ask again.
 * `changed`: it has another copy by now, or none. `lost`: the task was canceled, or is another's.
 */
type Fit = "busy" | "changed" | "lost";

/**
 * Moving copies to another target (CONTRACT, "Media"), by a task of the verb "move". Each copy is placed, put, and settled; one
 * is at it at a time. What was placed and is not settled is deleted when the task has ended, unless a medium has it.
 */
export type MoveVerbs = {
  /**
   * Copies that are not in `target`, in order of their media, and those that moves have left anywhere: of some media. `from`: null,
   * or the `next` of the part before; null there: it was the last.
   */
  copiesElsewhere(
    target: string,
    from: string | null,
  ): Promise<{ copies: ElsewhereCopy[]; left: ElsewhereCopy[]; next: string | null }>;
  /**
   * Writes down where a copy is about to be put; until that is settled no other relay works on the copies of its video.
   * `passed`: keys of this target that hold another file. `again`: it may have been put before.
   */
  placeMove(
    job: TaskJob,
    copy: MovedCopy & { to: { target: string; key: string; passed?: string[] } },
    now: number,
  ): Promise<{ is: "placed" | Fit; again: boolean }>;
  /** The row turns to the new place, in one transaction with what follows; or the task counts that it cannot. */
  settleMove(
    job: TaskJob,
    copy: MovedCopy,
    outcome: MoveOutcome,
    now: number,
  ): Promise<{ is: "moved" | "failed" | Fit }>;
  /** What a task could not move, the oldest first. */
  failedMoves(taskId: string, limit: number): Promise<{ mediumId: string; error: string }[]>;
  /** What tasks before this one could not move is forgotten; some of it: how many. */
  forgetFailedMoves(job: TaskJob): Promise<number>;
  /** Copies that moves have left in a target are deleted at this time; some of them: how many. */
  dropFormerCopies(job: TaskJob, target: string, at: number): Promise<number>;
  /** What a task waits for, in words, which its error says meanwhile; null: nothing any longer. */
  noteWait(job: TaskJob, words: string | null): Promise<void>;
};

/** `total`: how many it is about, where that was counted. */
export type NewRun = { verb: RunVerb; options: RunOptions; by: string; total?: number };

/**
 * Work on many rows at once (CONTRACT, "Many at once"), in pieces that hold no other writer up. The claim of a task is
 * followed by `taskPiece` and `workTask` in turn, until no piece is left. A claim is lost when another one is given, or the
 * task is canceled.
 */
export type TaskVerbs = MoveVerbs & {
  /**
   * Counts some of what matches now, or, with `taskId`, of what matched when that task was made. `videos`: a number for each
   * video, the same in every part. `from`: null, or the `next` of the count before; null there: this was the last part.
   */
  countMatching(
    wish: TaskWish & { taskId?: string },
    from: string | null,
  ): Promise<Omit<Matching, "videos"> & { videos: number[]; next: string | null }>;
  /**
   * What matches is settled by this: nothing newer is taken. Nothing is done before `confirmTask`; one that is not confirmed
   * within `leaseFor` milliseconds is given up. RelayError("task_running") where one of its verb has not ended, and
   * "not_found" for an endpoint that is not in the config.
   */
  createTask(
    wish: TaskWish & { by: string; rate: number | null; leaseFor: number },
    now: number,
  ): Promise<{ id: string }>;
  /** The count is known: it is worked from now on. RelayError("conflict"): it was canceled meanwhile. */
  confirmTask(id: string, total: number): Promise<void>;
  /**
   * The oldest task that has no worker, or this one; null where there is none. `nextDue`: when one may have lost its worker.
   */
  claimTask(wish: {
    id?: string;
    now: number;
    leaseFor: number;
  }): Promise<{ job: TaskJob | null; nextDue: number | null }>;
  /** The lease of a claimed task, or of one that is being counted, ends in `leaseFor` milliseconds; 0 gives it back. */
  renewTask(task: { id: string; claim: string | null }, leaseFor: number): Promise<boolean>;
  /** The next piece; `share`: what part of the most that one is of, 1 where it is left out; one at least. */
  taskPiece(id: string, share?: number): Promise<TaskPiece>;
  /** Does a piece, and moves the task on, in one transaction. `ended`: that was the last one. False: the task is lost. */
  workTask(
    job: TaskJob,
    piece: TaskPiece,
    leaseFor: number,
    now: number,
  ): Promise<{ isOurs: boolean; ended: TaskState | null }>;
  /** What is not done in pieces: it is claimed as the others are. RelayError("task_running") where one has not ended. */
  createRun(run: NewRun, now: number): Promise<{ id: string }>;
  /** Ends a claimed one. */
  endRun(job: TaskJob, outcome: RunOutcome, now: number): Promise<void>;
  /** Ends a task that cannot go on. */
  failTask(job: TaskJob, error: string, now: number): Promise<void>;
  task(id: string): Promise<Task>;
  /** The newest first; `before` is an id, times are of their making. */
  tasks(page: {
    limit: number;
    before?: string;
    since?: number;
    until?: number;
    state?: TaskState | undefined;
    /** In place of `state`: in any of these. */
    states?: TaskState[] | undefined;
    verb?: Task["verb"] | undefined;
  }): Promise<Task[]>;
  /** It stops where it is; what was done stays. RelayError("conflict") for one that has ended. */
  cancelTask(id: string, why: string, now: number): Promise<void>;
};
