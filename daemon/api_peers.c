#include "daemon/api_peers.h"

#include "base/clock.h"
#include "daemon/api_answer.h"
#include "daemon/courier_dicom.h"
#include "daemon/log.h"
#include "daemon/peers.h"
#include "store/store_view.h"

#include <stdatomic.h>
#include <string.h>

/* One at a time: each holds a thread of the interface for as long as a peer says nothing. */
static atomic_flag echoing = ATOMIC_FLAG_INIT;

static json_t *classes_json(const struct config_peer *peer)
{
    const char *classes[PEERS_SR_CLASSES];
    int count = peers_sr_classes(peer, classes);
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_string(classes[i]));
    return list;
}

static json_t *counts_json(const json_t *rows, const char *name)
{
    json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        const char *of = json_string_value(json_object_get(row, "name"));
        if (of && strcmp(of, name) == 0)
            return json_incref(row);
    }
    return json_object();
}

static json_t *peer_json(const struct config *config, const struct config_peer *peer, const json_t *rows)
{
    struct dicom_peer reach = courier_dicom_peer(config, peer);
    int idle_s = peer->idle_timeout_s ? peer->idle_timeout_s : config->listener.idle_timeout_s;
    int most = peer->max_associations ? peer->max_associations : config->listener.max_associations_per_peer;
    json_t *row = counts_json(rows, peer->name);
    const char *sr_class = json_string_value(json_object_get(row, "sr_class"));
    json_t *json = json_pack("{s:s,s:s,s:s,s:i,s:b,s:b,s:b,s:b}", "name", peer->name, "ae_title",
                             peer->ae_title, "address", peer->address, "port", peer->port, "may_store",
                             peer->may_store, "may_echo", peer->may_echo, "receives_results",
                             peer->receives_results, "receives_objects", peer->receives_objects);
    json_object_set_new(json, "results", json_string(peer->results));
    json_object_set_new(json, "sr_classes", classes_json(peer));
    json_object_set_new(json, "sr_class_taken", sr_class ? json_string(sr_class) : json_null());
    json_object_update_new(json, json_pack("{s:i,s:i,s:i,s:i,s:i}", "connect_timeout_s",
                                           reach.connect_timeout_s, "acse_timeout_s", reach.acse_timeout_s,
                                           "dimse_timeout_s", reach.dimse_timeout_s, "idle_timeout_s", idle_s,
                                           "max_associations", most));
    static const char *const states[] = {"pending", "delivered", "parked"};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        json_object_set_new(json, states[i],
                            json_integer(json_integer_value(json_object_get(row, states[i]))));
    json_decref(row);
    return json;
}

void api_peers_list(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    const struct config *config = request->service->config;
    json_t *rows = store_view_destinations(request->service->store, &err);
    if (!rows) {
        api_answer_failure(answer, &err);
        return;
    }
    json_t *list = json_array();
    for (int i = 0; i < config->peer_count; i++)
        json_array_append_new(list, peer_json(config, &config->peers[i], rows));
    json_decref(rows);
    api_answer_json(answer, HTTP_OK, json_pack("{s:o}", "peers", list));
}

static int shorter(int seconds)
{
    return seconds < API_PEERS_STEP_S ? seconds : API_PEERS_STEP_S;
}

static void echo(const struct config *config, const struct config_peer *to, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    struct dicom_peer peer = courier_dicom_peer(config, to);
    peer.connect_timeout_s = shorter(peer.connect_timeout_s);
    peer.acse_timeout_s = shorter(peer.acse_timeout_s);
    peer.dimse_timeout_s = shorter(peer.dimse_timeout_s);
    int64_t begin_ms = clock_monotonic_ms();
    bool ok = dicom_echo(&peer, &err);
    json_int_t wall_ms = clock_monotonic_ms() - begin_ms;
    log_event(ok ? LOG_INFO : LOG_WARNING, "peer_echo", "peer=%s answered=%s cause=%s", log_text(to->name),
              ok ? "yes" : "no", log_text(err.text));
    if (ok)
        api_answer_json(answer, HTTP_OK,
                        json_pack("{s:s,s:s,s:s,s:i,s:I}", "peer", to->name, "ae_title", to->ae_title,
                                  "address", to->address, "port", to->port, "wall_ms", wall_ms));
    else
        api_refuse(answer, HTTP_BAD_GATEWAY, *err.reason ? err.reason : "no_answer", "%s (%s at %s:%d): %s",
                   to->name, to->ae_title, to->address, to->port, err.text);
}

void api_peers_echo(const struct api_request *request, struct api_answer *answer)
{
    const struct config *config = request->service->config;
    const struct config_peer *to = peers_named(config, request->id);
    if (!to) {
        api_refuse(answer, HTTP_NOT_FOUND, "not_found", "there is no peer of this name");
    } else if (atomic_flag_test_and_set(&echoing)) {
        api_refuse(answer, HTTP_UNAVAILABLE, "busy", "another echo is under way");
    } else {
        echo(config, to, answer);
        atomic_flag_clear(&echoing);
    }
}
