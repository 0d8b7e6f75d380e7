#include "daemon/peers.h"

#include "dicom/dicom_sr.h"

#include <string.h>

int peers_sr_classes(const struct config_peer *peer, const char *ret[PEERS_SR_CLASSES])
{
    static const struct {
        const char *word, *uid;
    } classes[PEERS_SR_CLASSES] = {{"comprehensive-3d", DICOM_SR_COMPREHENSIVE_3D},
                                   {"comprehensive", DICOM_SR_COMPREHENSIVE},
                                   {"enhanced", DICOM_SR_ENHANCED}};
    int count = 0;
    for (const char *at = peer->sr_classes; *at;) {
        size_t run = strcspn(at, " ");
        for (int i = 0; i < PEERS_SR_CLASSES; i++)
            if (strlen(classes[i].word) == run && strncmp(classes[i].word, at, run) == 0)
                ret[count++] = classes[i].uid;
        at += run + (at[run] == ' ');
    }
    return count;
}

const struct config_peer *peers_named(const struct config *config, const char *name)
{
    for (int i = 0; i < config->peer_count; i++)
        if (strcmp(config->peers[i].name, name) == 0)
            return &config->peers[i];
    return NULL;
}
