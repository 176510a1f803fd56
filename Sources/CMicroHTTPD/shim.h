/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The variadic calls of libmicrohttpd as plain functions, and what Swift's Glibc overlay leaves
   out. */
#pragma once
#include <malloc.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* <poll.h> defines it under _GNU_SOURCE only. */
enum { microhttp_poll_rdhup = 0x2000 };

/* Lets malloc have at most so many arenas, each with 64 MiB of address space for its threads. */
static inline void microhttp_limit_arenas(int count) { mallopt(M_ARENA_MAX, count); }

/* Lets malloc keep no more than `bytes` of free memory at the end of an arena; larger blocks are
   mapped by themselves and given back at once. */
static inline void microhttp_limit_free_memory(int bytes) {
  mallopt(M_MMAP_THRESHOLD, bytes);
  mallopt(M_TRIM_THRESHOLD, bytes);
}

/* Returns the free memory of every arena to the system, also from between blocks in use. */
static inline void microhttp_give_back_free_memory(void) { malloc_trim(0); }

/* The bytes that the peer has acknowledged since the connection began; -1 if it is not TCP.
   glibc's struct tcp_info ends before this field, so it is read at its place in the kernel's,
   which is part of the kernel's fixed interface (since Linux 4.1). */
static inline int64_t microhttp_bytes_acknowledged(int socket) {
  unsigned char info[128];
  socklen_t size = sizeof info;
  uint64_t acknowledged;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, info, &size) != 0 || size < sizeof info) return -1;
  memcpy(&acknowledged, info + 120, sizeof acknowledged);
  return (int64_t)acknowledged;
}

struct microhttp_callbacks {
  MHD_LogCallback log;
  void *(*target)(void *cls, const char *target, struct MHD_Connection *connection);
  MHD_AccessHandlerCallback handle;
  MHD_RequestCompletedCallback completed;
  MHD_NotifyConnectionCallback connection;
  void *cls;
};

struct microhttp_settings {
  int listen_fd;
  size_t connection_memory;
  unsigned int connection_limit;
  size_t thread_stack;
  const char *tls_key;         /* NULL: no TLS. Both texts must outlive the daemon. */
  const char *tls_certificate;
};

/* One thread per connection that waits with poll(). No inactivity timer of the library's:
   it would count the time a handler spends blocked against the client. */
static inline struct MHD_Daemon *microhttp_start(struct microhttp_settings settings,
                                                 struct microhttp_callbacks callbacks) {
  struct MHD_OptionItem tls[] = {
      {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)settings.tls_key},
      {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)settings.tls_certificate},
      {MHD_OPTION_END, 0, NULL},
  };
  struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
  unsigned int flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                       MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
  if (settings.tls_key != NULL) flags |= MHD_USE_TLS;
  /* The port is that of the socket handed over. Strictness 0: the two checks that 1 adds (a Host
     field, no space in the target) are made by the caller, who can word the refusal. */
  return MHD_start_daemon(
      flags, 0, NULL, NULL, callbacks.handle, callbacks.cls,
      MHD_OPTION_EXTERNAL_LOGGER, callbacks.log, callbacks.cls,
      MHD_OPTION_LISTEN_SOCKET, settings.listen_fd,
      MHD_OPTION_URI_LOG_CALLBACK, callbacks.target, callbacks.cls,
      MHD_OPTION_NOTIFY_COMPLETED, callbacks.completed, callbacks.cls,
      MHD_OPTION_NOTIFY_CONNECTION, callbacks.connection, callbacks.cls,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, settings.connection_memory,
      MHD_OPTION_CONNECTION_LIMIT, settings.connection_limit,
      MHD_OPTION_CONNECTION_TIMEOUT, 0u,
      MHD_OPTION_THREAD_STACK_SIZE, settings.thread_stack,
      MHD_OPTION_STRICT_FOR_CLIENT, 0,
      MHD_OPTION_ARRAY, settings.tls_key != NULL ? tls : plain,
      MHD_OPTION_END);
}

static inline int microhttp_socket(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == NULL ? -1 : info->connect_fd;
}

static inline const struct sockaddr *microhttp_client_address(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return info == NULL ? NULL : info->client_addr;
}

static inline void *microhttp_socket_context(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == NULL ? NULL : info->socket_context;
}

/* The bytes from the request line to the empty line after the header. */
static inline size_t microhttp_header_size(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  return info == NULL ? 0 : info->header_size;
}
