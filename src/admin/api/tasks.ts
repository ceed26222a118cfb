import { cancelTask, showTask, tasks } from "../../actions/tasks.ts";
import { task, taskPage } from "../answers/relay.ts";
import { type Operation, operation } from "../operation.ts";
import { listPage, listQuery } from "../query.ts";

const TAG = { tag: "tasks" } as const;

export const taskOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/tasks", id: "listTasks" },
    summary: "What is, or was, done to many at once, newest first",
    query: listQuery(tasks),
    answer: taskPage,
    errors: ["cursor_expired"],
    run: (asked, place) => listPage(tasks, asked, place),
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/tasks/{id}", id: "showTask" },
    summary: "One task, and how far it is",
    answer: task,
    errors: ["not_found"],
    run: ({ path }, { store }) => showTask(store, path.id!),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/tasks/{id}/cancel", id: "cancelTask" },
    summary: "Ends a task where it is; what was done stays",
    answer: task,
    errors: ["not_found", "conflict"],
    run: ({ path }, { store, ports }) => cancelTask(store, path.id!, ports.clock.now()),
  }),
];
