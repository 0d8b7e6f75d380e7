/* What a [peer] section says, with the general settings where it says nothing. threads: any. */
#ifndef DAEMON_PEERS_H
#define DAEMON_PEERS_H

#include "daemon/config.h"

enum { PEERS_SR_CLASSES = 3 };

/* The SOP Class UIDs in which it is sent reports, most wanted first. Returns how many, at least one. */
int peers_sr_classes(const struct config_peer *peer, const char *ret[PEERS_SR_CLASSES]);

/* NULL when there is none of this name. Borrowed. */
const struct config_peer *peers_named(const struct config *config, const char *name);

#endif
