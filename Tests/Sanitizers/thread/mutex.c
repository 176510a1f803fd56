/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tells ThreadSanitizer of the waits of Swift's Mutex, to be preloaded.
 *
 * The two short ways, taking a mutex that is free and leaving one that no one waits for, are compiled
 * into the program that is watched. The two long ones, where threads meet, are in the runtime, which
 * is not watched: there the order that a mutex makes would not be seen, and every use of it
 * would be reported. What is done is the runtime's; this only says that it happened.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

/* Absent where the program is not watched, as that which starts the tests. */
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

/* Methods of Swift: the mutex comes in the register of `self`. */
#define METHOD __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self

typedef METHOD void lock_method(uint32_t thread, SELF);
typedef METHOD void unlock_method(SELF);

static void *original(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL) abort();
  return found;
}

METHOD void lock_slow(uint32_t thread, SELF) __asm__(LOCK_SLOW);
METHOD void lock_slow(uint32_t thread, SELF) {
  static lock_method *lock;
  if (lock == NULL) lock = (lock_method *)original(LOCK_SLOW);
  lock(thread, self);
  if (__tsan_acquire) __tsan_acquire(self);
}

METHOD void unlock_slow(SELF) __asm__(UNLOCK_SLOW);
METHOD void unlock_slow(SELF) {
  static unlock_method *unlock;
  if (unlock == NULL) unlock = (unlock_method *)original(UNLOCK_SLOW);
  if (__tsan_release) __tsan_release(self);
  unlock(self);
}
