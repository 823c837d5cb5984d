/*
 * Every fault point, by the process that has it. "before" and "after" are of the step: what a crash finds not
 * yet done, and done.
 */
#pragma once

/*   name             what is about to happen, or just happened */
#define FAULT_POINTS_ENGINE(X)                                                                               \
    X(store_open, "the database file is opened")                                                             \
    X(decode_before, "a frame's payload is decoded; its bytes can be matched")                               \
    X(decode_after, "likewise, and next its handler decides; its bytes can be matched")                      \
    X(begin_before, "the turn's transaction begins")                                                         \
    X(begin_after, "")                                                                                       \
    X(write, "a statement that writes")                                                                      \
    X(append_before, "an event is appended to the log")                                                      \
    X(append_after, "")                                                                                      \
    X(remember_before, "a write's answer is put into the request table")                                     \
    X(remember_after, "")                                                                                    \
    X(lookup_before, "the answer to a look-up is stored")                                                    \
    X(lookup_after, "")                                                                                      \
    X(cursor_before, "a follower's cursor is stored")                                                        \
    X(cursor_after, "")                                                                                      \
    X(commit_before, "COMMIT of a transaction that wrote")                                                   \
    X(commit_after, "")                                                                                      \
    X(answer_before, "a batch is answered")                                                                  \
    X(answer_after, "")                                                                                      \
    X(collect_before, "a collect is answered")                                                               \
    X(collect_after, "")                                                                                     \
    X(pull_before, "a pull is answered")                                                                     \
    X(pull_after, "")                                                                                        \
    X(copy, "a step of the copy that a backup asked for")                                                    \
    X(checkpoint_before, "the helper copies the write-ahead log back")                                       \
    X(checkpoint_after, "")

#define FAULT_POINTS_WORKER(X)                                                                               \
    X(send_before, "a batch is sent to an engine")                                                           \
    X(send_after, "")                                                                                        \
    X(receive_before, "an engine's answer to a batch is taken in")                                           \
    X(receive_after, "")                                                                                     \
    X(write_before, "an answer is written to a client")                                                      \
    X(write_after, "")

#define FAULT_POINTS(X) FAULT_POINTS_ENGINE(X) FAULT_POINTS_WORKER(X)
