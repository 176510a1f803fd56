/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* SCHED_BATCH of sched(7), which <sched.h> has under _GNU_SOURCE only. */
enum { scheduler_batch = 3 };

/* Makes the calling thread one of batch work, with time slices of `nanoseconds`: when it wakes up it
   does not drive out a thread that is running, and a thread that wakes up waits less for it. Nice
   value and share of the processor stay the same. Linux 6.12 and later set slices for such threads;
   elsewhere that part has no effect. glibc 2.36 has no wrapper for these system calls; the layout is
   the first version of sched(7)'s sched_attr. */
static inline void scheduler_set_batch(uint64_t nanoseconds) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {0};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  attributes.policy = scheduler_batch;
  attributes.runtime = nanoseconds;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}
