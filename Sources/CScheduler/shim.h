/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Asks for time slices of `nanoseconds` for the calling thread. Policy, nice value and share of the
   processor stay the same, but a thread that wakes up waits less for this one. Linux 6.12 and later
   do it for ordinary threads; elsewhere the wish has no effect. glibc 2.36 has no wrapper for these
   system calls; the layout is the first version of sched(7)'s sched_attr. */
static inline void scheduler_set_slice(uint64_t nanoseconds) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {0};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  attributes.runtime = nanoseconds;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}
