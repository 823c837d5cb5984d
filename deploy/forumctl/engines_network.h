/*
 * Where the engines of a state directory are to be reached. Under systemd's PrivateNetwork they have a
 * network of their own, which root can join by way of one of them.
 *
 * NNG's threads, which connect, are made with the first caller, and stay in the network of that moment. So
 * whoever asks engines opens its callers between joining and leaving, and no caller before.
 */
#pragma once

#include <sys/types.h>

#include "common/attributes.h"
#include "proto/domains.h"

/* Who holds DOMAIN.lock in the state directory, as /proc/locks says; 0: nobody. */
pid_t engines_pid(const char *state_dir, enum domain_id domain) MUST_USE;

/* Returns a descriptor of the network that was left, for engines_leave_network; -1: the engines are in this
 * one, or none runs. Exits with one clear line when they have another and it cannot be joined. */
int engines_join_network(const char *state_dir) MUST_USE;
void engines_leave_network(int left_fd);
