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

/**
 * Work on many rows at once (CONTRACT, "Many at once"), in pieces that hold no other writer up. The claim of a task is
 * followed by `taskPiece` and `workTask` in turn, until no piece is left. A claim is lost when another one is given, or the
 * task is canceled.
 */
export type TaskVerbs = {
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
  taskPiece(id: string): Promise<TaskPiece>;
  /** Does a piece, and moves the task on, in one transaction. `ended`: that was the last one. False: the task is lost. */
  workTask(
    job: TaskJob,
    piece: TaskPiece,
    leaseFor: number,
    now: number,
  ): Promise<{ isOurs: boolean; ended: TaskState | null }>;
  /** What is not done in pieces: it is claimed as the others are. RelayError("task_running") where one has not ended. */
  createRun(run: { verb: RunVerb; options: RunOptions; by: string }, now: number): Promise<{ id: string }>;
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
    verb?: Task["verb"] | undefined;
  }): Promise<Task[]>;
  /** It stops where it is; what was done stays. RelayError("conflict") for one that has ended. */
  cancelTask(id: string, why: string, now: number): Promise<void>;
};
